/*
 * payload.h
 *		Checking payloads against their declared types, those of the database included.
 *
 * A schema is checked by the machine's own code.  A composite type is found by its name each time (it
 * may have been changed, dropped or restored meanwhile), and its columns are made a schema once per
 * backend and change of any type.
 *
 * Only input functions written in C run, which none but superusers can make.  So a payload may be
 * checked in a session of any role: the CHECK constraints of domains, which are code of whoever made
 * them, are not evaluated.  ow_payload_convert does that, in the owner's session.
 */
#ifndef OW_PAYLOAD_H
#define OW_PAYLOAD_H

#include "machine/machine.h"
#include "machine/payload_schema.h"

/*
 * Report, for a registration, a composite type that is not there, cannot be checked, or may not be used
 * by the owner-to-be.  Member name of where declares it; type may be NULL.
 */
extern void ow_payload_verify(const OwPayloadType *type, Oid owner, const char *name, const char *where,
							  OwProblems *problems);

/* False, with the mismatches, when the value does not fit.  type may be NULL: anything does. */
extern bool ow_payload_check(const OwPayloadType *type, const Jsonb *value, OwMismatches *mismatches);

/* Convert to the composite type, if it is one, for what only that finds; errors propagate. */
extern void ow_payload_convert(const OwPayloadType *type, const Jsonb *value);

/* …as OwHost.check_output */
extern bool ow_payload_check_output(void *arg, const OwRun *run, const OwPayloadType *type, const Jsonb *output,
									OwFailure *failure);

#endif							/* OW_PAYLOAD_H */
