/*
 * api.h
 *		What the SQL-callable functions share: arguments, the run that is meant, who may see it.
 */
#ifndef OW_API_H
#define OW_API_H

#include "postgres.h"
#include "fmgr.h"
#include "machine/problems.h"
#include "store/catalog.h"
#include "store/find.h"

#define OW_MAX_NAME_LENGTH 200	/* characters of a workflow's or activity's name */
#define OW_MAX_ID_LENGTH 1000	/* bytes of a workflow id or request id */
#define OW_LONGEST_SLEEP_MS (60 * 60 * 1000)	/* longer waits are slept in parts */

/* Arguments, from 0.  The required ones raise when the argument is null. */
extern char *ow_api_text(FunctionCallInfo fcinfo, int argument, const char *name);
extern pg_uuid_t *ow_api_uuid(FunctionCallInfo fcinfo, int argument, const char *name);
extern char *ow_api_optional_text(FunctionCallInfo fcinfo, int argument);	/* NULL when null */
extern int	ow_api_version(FunctionCallInfo fcinfo, int argument);	/* 0 when null */
extern double ow_api_percent(FunctionCallInfo fcinfo, int argument, double otherwise);
extern Jsonb *ow_api_jsonb(FunctionCallInfo fcinfo, int argument, const char *name);
extern Jsonb *ow_api_optional_jsonb(FunctionCallInfo fcinfo, int argument);

/* Raise unless the name is one to register under */
extern void ow_api_check_name(const char *what, const char *name);

/* Raise unless the id, a workflow's or request's, is fit to be stored */
extern void ow_api_check_id(const char *what, const char *id);
extern char *ow_api_uuid_text(const pg_uuid_t *uuid);

/* The time an interval after start */
extern TimestampTz ow_api_add_interval(TimestampTz start, Datum interval);

/* Until when to wait, by an interval; DT_NOEND when null */
extern TimestampTz ow_api_until(FunctionCallInfo fcinfo, int argument);

/*
 * Sleeps until woken as a waiter (wakeup.h), or for some time; before that, lets go of all that a transaction holds, as far as
 * the caller allows.  False, at once, when the time is over.
 */
extern bool ow_api_sleep(TimestampTz until, bool commits);

/* next_retry_delay in milliseconds; OW_UNSET when null */
extern int64 ow_api_retry_delay(const NullableDatum *argument);

/* Raise unless a procedure may commit here; instead is what its user can do. */
extern void ow_api_check_may_commit(FunctionCallInfo fcinfo, const char *procedure, const char *instead);

/* The row of a procedure with one output argument */
extern Datum ow_api_procedure_row(FunctionCallInfo fcinfo, Datum value);

/* A role's name for messages, also when it has been dropped */
extern char *ow_api_role_name(Oid role);

/* May the current user execute workflow.see_all_runs()? */
extern bool ow_api_sees_all_runs(void);

/* Did the current user start this run, or has any of these OwPrivileges on its workflow? */
extern bool ow_api_may_see(const OwFoundRun *run, int privileges);

/* Raise that there is no such run, or none to be seen */
extern void ow_api_report_no_workflow_id(const char *workflow_id) pg_attribute_noreturn();
extern void ow_api_report_no_run(const pg_uuid_t *run_id) pg_attribute_noreturn();

/*
 * The run named by argument 0, which is a workflow id (its open run, else its latest) or, of an
 * overload, a run id.  Raises when there is none that the current user may read.
 */
extern OwFoundRun *ow_api_run(FunctionCallInfo fcinfo);

/* …or that he may see by one of these OwPrivileges */
extern OwFoundRun *ow_api_run_for(FunctionCallInfo fcinfo, int privileges);

/* Raise unless the run is open */
extern void ow_api_check_open(const OwFoundRun *run);

/* Raises unless the role has the privilege on the workflow of that owner; to is what that is for: "permission denied to …". */
extern void ow_api_check_may(Oid role, const char *workflow, Oid owner, OwPrivilege privilege, const char *to);

/* Raises unless the current user may read the run's state, with all that it carries. */
extern void ow_api_check_may_read(const OwFoundRun *run);

/* Raises unless the current user may signal the run, which is what that is for. */
extern void ow_api_check_may_signal(const OwFoundRun *run, const char *to);

/* Raises unless the current user may control the run. */
extern void ow_api_check_may_control(const OwFoundRun *run);

/* …and it is open */
extern void ow_api_check_controllable(const OwFoundRun *run);

/* Problems as lines for errdetail, errors first: "error at States.Pay: …" */
extern char *ow_api_problem_lines(const OwProblems *problems);

/* The workflow's definition, or an error that says what there is not; version 0: current */
extern const OwCompiled *ow_api_definition(const char *workflow, int version);

/* Raise that there is no such version (0: no current one); last is the last there is */
extern void ow_api_report_no_version(const char *workflow, int version, int last) pg_attribute_noreturn();

/* Raise unless the current user owns the workflow: has the rights of the role that does */
extern void ow_api_check_owns(const char *workflow, Oid owner);

/* Everything that is wrong with a definition that owner is to register */
extern void ow_api_check_definition(Jsonb *definition, Oid owner, OwProblems *problems);

/* An executor logs in as the owner of a workflow: raise for a role that cannot, so that it owns none. */
extern void ow_api_check_can_log_in(Oid owner);

/*
 * What workflow.start and workflow.start_many do once they have the definition that new runs follow: their arguments
 * but the workflow and, of start, the version.
 */
extern Datum ow_api_start(FunctionCallInfo fcinfo, const OwCompiled *compiled);
extern Datum ow_api_start_many(FunctionCallInfo fcinfo, const OwCompiled *compiled);

/* Raise unless the input is small enough, and of the type that the definition declares. */
extern void ow_api_check_input(const OwCompiled *compiled, const Jsonb *input);

/* Raise unless all activities of the definition are registered, listing those that are not. */
extern void ow_api_check_activities(const OwCompiled *compiled);

/* The run as its history leads to it; NULL when it is gone.  Raises data_corrupted when it leads elsewhere. */
extern struct OwLoadedRun *ow_api_rebuild(const OwFoundRun *found);

/* Raise if the version has been retired, and keep it from that; somebody has asked for it by its number. */
extern void ow_api_hold_version(const OwCompiled *compiled);

#endif							/* OW_API_H */
