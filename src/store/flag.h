/*
 * flag.h
 *		Feature flags: read by Version states, set by the owner of the runs.
 */
#ifndef OW_FLAG_H
#define OW_FLAG_H

#include "machine/machine.h"

/* Set a flag for the runs of a role, for so many percent of their workflow ids; value NULL: remove it. */
extern void ow_flag_set(Oid owner, const char *name, Jsonb *value, double percent, Oid set_by);

/* The value of a flag of the run's owner, if the run's id is among those it is set for; else NULL.  As OwHost.read_flag */
extern Jsonb *ow_flag_read(void *arg, const OwRun *run, const char *name);

#endif							/* OW_FLAG_H */
