/*
 * history_file.h
 *		Histories as documents, to be kept outside the database.
 */
#ifndef OW_HISTORY_FILE_H
#define OW_HISTORY_FILE_H

#include "store/run.h"

extern Jsonb *ow_history_export(const OwLoadedRun *started, List *events);

/* The run as it was when it started, and its events; raises on what is no exported history. */
extern OwLoadedRun *ow_history_import(const Jsonb *document, List **events);

#endif							/* OW_HISTORY_FILE_H */
