/*
 * look.h
 *		Reading the views as the current user, who sees of them what is his to see.
 */
#ifndef OW_LOOK_H
#define OW_LOOK_H

#include "postgres.h"
#include "utils/uuid.h"

/* The text of a workflow's definition; version 0: current.  NULL when there is none to be seen. */
extern char *ow_look_definition(const char *workflow, int version);

/* The last of its versions, which are counted from 1; 0 when there is no workflow to be seen */
extern int	ow_look_last_version(const char *workflow);

/* What workflow.explain_run tells, as a row; false when there is no run to be seen */
extern bool ow_look_run(const pg_uuid_t *run_id, Datum *row);
extern bool ow_look_workflow(const char *workflow_id, Datum *row);

/* A definition as a picture: workflow.describe_<format> */
extern char *ow_look_mermaid(const char *definition);
extern char *ow_look_dot(const char *definition);
extern char *ow_look_states(const char *definition);

#endif							/* OW_LOOK_H */
