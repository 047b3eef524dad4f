/*
 * register.c
 *		workflow.register and workflow.validate.
 *
 * Definitions come as jsonb or as text; the text is kept as it came, and only it shows duplicate
 * keys.  A definition is compiled here once to find everything that is wrong with it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "api/api.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "engine/payload.h"
#include "engine/sql_expression.h"
#include "errors.h"
#include "funcapi.h"
#include "machine/definition.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/identity.h"
#include "store/job.h"
#include "store/registry.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ow_register);
PG_FUNCTION_INFO_V1(ow_register_text);
PG_FUNCTION_INFO_V1(ow_validate);
PG_FUNCTION_INFO_V1(ow_validate_text);

/* A definition as it came */
typedef struct Source
{
	char	   *text;
	Jsonb	   *json;			/* NULL: the text is not even JSON */
} Source;

/* ---- checking ---- */

/*
 * Parses the text; what is wrong with it as a text is noted.  Duplicate keys do not stop the
 * parser.
 */
static Source
read_text(char *text, OwProblems *problems)
{
	Source		source = {.text = text};
	ListCell   *cell;

	ow_definition_check_text(text, problems);
	foreach(cell, problems->list)
	{
		if (strcmp(((OwProblem *) lfirst(cell))->code, "DuplicateKey") != 0)
			return source;
	}
	source.json = ow_json_from_cstring(text);
	return source;
}

static Source
read_json(Jsonb *json)
{
	Source		source = {.text = ow_json_to_cstring(json), .json = json};

	return source;
}

/* Which of the definition's activities the owner cannot use: not there yet, or somebody else's */
static void
check_activities(const OwDefinition *definition, Oid owner, OwProblems *problems)
{
	for (int i = 0; i < definition->nactivities; i++)
	{
		const char *name = definition->activities[i];
		const OwActivity *activity = ow_catalog_activity(name);

		if (activity == NULL)
			ow_problem_add(problems, OW_SEVERITY_WARNING, "ActivityNotRegistered", NULL,
						   "Register it with workflow.register_activity() before the workflow is started.",
						   "activity \"%s\" is not registered", name);
		else if (!ow_catalog_may_use(owner, activity, DT_NOEND))
			ow_problem_add(problems, OW_SEVERITY_ERROR, "ActivityNotPermitted", NULL,
						   "Its owner can allow it with workflow.grant_activity().",
						   "role \"%s\" may not use activity \"%s\"", ow_api_role_name(owner), name);
	}
}

/* The same of the child workflows that it names */
static void
check_children(const OwDefinition *definition, Oid owner, OwProblems *problems)
{
	ListCell   *cell;

	foreach(cell, definition->children)
	{
		const OwWorkflowTask *child = lfirst(cell);
		Oid			child_owner;

		if (!ow_catalog_find_type(child->workflow, &child_owner, NULL))
			ow_problem_add(problems, OW_SEVERITY_WARNING, "WorkflowNotRegistered", NULL,
						   "Register it with workflow.register() before a run gets there.",
						   "child workflow \"%s\" is not registered", child->workflow);
		else if (!ow_catalog_may(owner, child->workflow, child_owner, OW_PRIVILEGE_START))
			ow_problem_add(problems, OW_SEVERITY_ERROR, "WorkflowNotPermitted", NULL,
						   "Its owner can grant \"start\" with workflow.grant_workflow().",
						   "role \"%s\" may not start workflow \"%s\"", ow_api_role_name(owner), child->workflow);
	}
}

/* Does a problem's path lead to this state, of whatever machine? */
static bool
is_path_of(const char *path, const OwState *state)
{
	const char *member = ow_where_member("States", state->name);
	size_t		length = strlen(path);
	size_t		tail = strlen(member);

	if (length < tail || strcmp(path + length - tail, member) != 0)
		return false;
	return length == tail || path[length - tail - 1] == '.';
}

/* A task that programs outside do needs a limit after which its worker is taken to be gone. */
static void
check_lease(const OwDefinition *definition, const OwState *state, const char *name, const OwTaskOptions *options,
			const char *field, OwProblems *problems)
{
	const OwActivity *activity = name ? ow_catalog_activity(name) : NULL;
	char	   *where = ow_where_member("States", state->name);
	OwTaskOptions merged;

	if (activity == NULL || activity->kind != OW_ACTIVITY_QUEUE)
		return;
	ow_task_options_merge(&merged, options, &definition->defaults, &activity->options);
	if (merged.start_to_close_ms != OW_UNSET || merged.start_to_close_path != NULL ||
		merged.heartbeat_ms != OW_UNSET || merged.heartbeat_path != NULL)
		return;
	ow_problem_add(problems, OW_SEVERITY_ERROR, "NoLease", field ? ow_where_member(where, field) : where,
				   "Set one of them here, in \"Defaults\" or in the activity's registration.",
				   "activity \"%s\" of state \"%s\" is done outside, and has neither \"StartToCloseSeconds\" nor \"HeartbeatSeconds\"",
				   name, state->name);
}

static void
check_leases(const OwDefinition *definition, OwProblems *problems)
{
	for (int i = 0; i < definition->nstates; i++)
	{
		const OwState *state = &definition->states[i];

		if (state->sql == NULL || (state->sql->timeout_seconds == NULL && state->sql->heartbeat_seconds == NULL))
			check_lease(definition, state, state->activity, &state->options, NULL, problems);
		if (state->compensation != NULL)
			check_lease(definition, state, state->compensation->resource, &state->compensation->options,
						"Compensate", problems);
	}
}

/* Is this a warning that a state has no timeout, while its activity was registered with one? */
static bool
has_registered_timeout(const OwDefinition *definition, const OwProblem *problem)
{
	if (strcmp(problem->code, "NoTimeout") != 0 || problem->path == NULL)
		return false;
	for (int i = 0; i < definition->nstates; i++)
	{
		const OwState *state = &definition->states[i];
		const OwActivity *activity;

		if (state->activity == NULL || !is_path_of(problem->path, state))
			continue;
		activity = ow_catalog_activity(state->activity);
		return activity != NULL &&
			(activity->options.start_to_close_ms != OW_UNSET || activity->options.heartbeat_ms != OW_UNSET);
	}
	return false;
}

/* Is this that warning, where the lack of a lease is an error already? */
static bool
has_no_lease(const OwProblems *problems, const OwProblem *problem)
{
	ListCell   *cell;

	if (strcmp(problem->code, "NoTimeout") != 0 || problem->path == NULL)
		return false;
	foreach(cell, problems->list)
	{
		const OwProblem *other = lfirst(cell);

		if (strcmp(other->code, "NoLease") == 0 && strcmp(other->path, problem->path) == 0)
			return true;
	}
	return false;
}

static void
check_source(const Source *source, Oid owner, OwProblems *problems)
{
	OwDefinition *definition;
	ListCell   *cell;

	if (source->json == NULL)
		return;
	definition = ow_definition_compile(source->json, problems);
	foreach(cell, problems->unchecked)
		ow_sql_check(lfirst(cell), owner, problems);
	if (definition == NULL)
		return;
	check_activities(definition, owner, problems);
	check_children(definition, owner, problems);
	check_leases(definition, problems);
	ow_payload_verify(definition->input_type, owner, "Input", "", problems);
	ow_payload_verify(definition->output_type, owner, "Output", "", problems);
	foreach(cell, problems->list)
	{
		if (has_registered_timeout(definition, lfirst(cell)) || has_no_lease(problems, lfirst(cell)))
			problems->list = foreach_delete_current(problems->list, cell);
	}
}

void
ow_api_check_definition(Jsonb *definition, Oid owner, OwProblems *problems)
{
	Source		source = {.json = definition};

	check_source(&source, owner, problems);
}

/* ---- validate ---- */

static void
put_problem(ReturnSetInfo *result, const OwProblem *problem)
{
	Datum		values[5] = {0};
	bool		nulls[5] = {0};

	values[0] = CStringGetTextDatum(problem->severity == OW_SEVERITY_ERROR ? "error" : "warning");
	values[1] = CStringGetTextDatum(problem->code);
	values[2] = CStringGetTextDatum(problem->path ? problem->path : "");
	values[3] = CStringGetTextDatum(problem->message);
	if (problem->hint != NULL)
		values[4] = CStringGetTextDatum(problem->hint);
	else
		nulls[4] = true;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static Datum
validate(FunctionCallInfo fcinfo, const Source *source, OwProblems *problems)
{
	ListCell   *cell;

	check_source(source, GetUserId(), problems);
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, problems->list)
		put_problem((ReturnSetInfo *) fcinfo->resultinfo, lfirst(cell));
	return (Datum) 0;
}

/* validate(definition jsonb) */
Datum
ow_validate(PG_FUNCTION_ARGS)
{
	OwProblems	problems = {0};
	Source		source = read_json(ow_api_jsonb(fcinfo, 0, "definition"));

	return validate(fcinfo, &source, &problems);
}

/* validate(definition text) */
Datum
ow_validate_text(PG_FUNCTION_ARGS)
{
	OwProblems	problems = {0};
	Source		source = read_text(ow_api_text(fcinfo, 0, "definition"), &problems);

	return validate(fcinfo, &source, &problems);
}

/* ---- register ---- */

static void
report_invalid(const char *name, const OwProblems *problems)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_DEFINITION),
			 errmsg("invalid definition of workflow \"%s\"", name),
			 errdetail("%s", ow_api_problem_lines(problems)),
			 errhint("workflow.validate() lists the same as rows.")));
}

static void
warn(const char *name, const OwProblems *problems)
{
	if (problems->list == NIL)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("definition of workflow \"%s\" is valid, with warnings", name),
			 errdetail("%s", ow_api_problem_lines(problems)),
			 errhint("workflow.validate() lists the same as rows.")));
}

void
ow_api_check_can_log_in(Oid owner)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	char	   *role;
	bool		login;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", owner)));
	role = pstrdup(NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (!login)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" cannot own a workflow because it cannot log in", role),
				 errdetail("Runs are executed in sessions of the workflow's owner."),
				 errhint("Run ALTER ROLE %s LOGIN, or register as another role.",
						 quote_identifier(role))));
	if (pg_database_aclcheck(MyDatabaseId, owner, ACL_CONNECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" cannot own a workflow because it may not connect to this database",
						role),
				 errdetail("Runs are executed in sessions of the workflow's owner."),
				 errhint("Run GRANT CONNECT ON DATABASE %s TO %s.",
						 quote_identifier(get_database_name(MyDatabaseId)), quote_identifier(role))));
}

static void
prepare_name(const char *name)
{
	PreventCommandIfReadOnly("workflow.register()");
	ow_api_check_name("a workflow", name);
	if (ow_job_is_name(name))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("workflow name \"%s\" is reserved", name),
				 errdetail("Names that begin with \"%s\" or \"%s\" are those of activities started by workflow.start_activity().",
						   OW_JOB_PREFIX, OW_ROLE_JOB_PREFIX)));
}

static Datum
register_source(const char *name, Source *source, bool make_current, OwProblems *problems)
{
	OwDefinitionRow row = {.workflow = name, .source = source->text, .definition = source->json};
	Oid			owner;
	int			version;

	/* before the row is locked, what needs no lock */
	if (!ow_catalog_find_type(name, &owner, NULL))
		owner = GetUserId();
	ow_api_check_owns(name, owner);
	check_source(source, owner, problems);
	if (problems->errors > 0)
		report_invalid(name, problems);
	ow_api_check_can_log_in(owner);

	owner = ow_registry_lock_type(name, owner);
	ow_api_check_owns(name, owner);
	row.created_by = GetUserId();
	version = ow_registry_add_version(&row);
	if (make_current)
		ow_registry_make_current(name, version);
	ow_catalog_changed();
	ow_identity_claim();
	warn(name, problems);
	return Int32GetDatum(version);
}

static bool
make_current_argument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
}

/* register(name text, definition jsonb, make_current boolean) */
Datum
ow_register(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, 0, "name");
	OwProblems	problems = {0};
	Source		source;

	prepare_name(name);
	source = read_json(ow_api_jsonb(fcinfo, 1, "definition"));
	return register_source(name, &source, make_current_argument(fcinfo), &problems);
}

/* register(name text, definition text, make_current boolean) */
Datum
ow_register_text(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, 0, "name");
	OwProblems	problems = {0};
	Source		source;

	prepare_name(name);
	source = read_text(ow_api_text(fcinfo, 1, "definition"), &problems);
	return register_source(name, &source, make_current_argument(fcinfo), &problems);
}
