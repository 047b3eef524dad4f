/*
 * definition_workflow.c
 *		Compiles Tasks of other workflows: children, signals and cancels.
 *
 *		workflow:NAME								a child workflow, for whose close the Task waits
 *		workflow:signal								a signal to the run that Parameters names
 *		workflow:cancel								a request to cancel it
 *		arn:aws:states:::states:startExecution		the execution that Parameters describes, which is not waited for
 *		… .sync[:2]									and is
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

#define PREFIX "workflow:"
#define EXECUTION ":states:::states:startExecution"
#define STATE_MACHINE ":stateMachine:"

const OwField ow_workflow_task_fields[] = {
	{"WorkflowId", OW_STRING, OW_OPTIONAL},
	{"Version", OW_NUMBER, OW_OPTIONAL},
	{"ParentClosePolicy", OW_STRING, OW_OPTIONAL},
	{"WaitFor", OW_STRING, OW_OPTIONAL},
	{NULL}
};

static const char *const policy_names[] = {
	[OW_CLOSE_TERMINATE] = "Terminate",
	[OW_CLOSE_ABANDON] = "Abandon",
	[OW_CLOSE_REQUEST_CANCEL] = "RequestCancel",
	NULL
};

/* Fields that have no effect where there is no activity */
static const char *const activity_fields[] = {
	"HeartbeatSeconds", "HeartbeatSecondsPath", "ScheduleToStartSeconds", "TaskQueue", "Priority", "FairnessKey", "Transaction"
};

/* What the Parameters of a Task can have, those it must have first */
typedef struct Arguments
{
	int			required;
	const char *const names[5];
} Arguments;

static const Arguments signal_arguments = {2, {"WorkflowId", "Signal", "Payload", NULL}};
static const Arguments cancel_arguments = {1, {"WorkflowId", "Reason", NULL}};
static const Arguments execution_arguments = {1, {"StateMachineArn", "Name", "Input", "TraceHeader", NULL}};

const char *
ow_close_policy_name(OwParentClosePolicy policy)
{
	return policy_names[policy];
}

static const char *
execution_suffix(const char *resource)
{
	const char *execution = strncmp(resource, "arn:", 4) == 0 ? strstr(resource, EXECUTION) : NULL;

	return execution ? execution + strlen(EXECUTION) : NULL;
}

bool
ow_is_workflow_resource(const char *resource)
{
	const char *suffix = execution_suffix(resource);

	return strncmp(resource, PREFIX, strlen(PREFIX)) == 0 || (suffix != NULL && (*suffix == '\0' || *suffix == '.'));
}

char *
ow_state_machine_name(const char *text)
{
	const char *marker = strstr(text, STATE_MACHINE);
	char	   *name = pstrdup(marker ? marker + strlen(STATE_MACHINE) : text);

	if (marker != NULL && strchr(name, ':') != NULL)
		*strchr(name, ':') = '\0';
	return name;
}

static void
refuse(OwCompiler *compiler, const char *code, const char *field, const char *where, const char *hint, const char *why)
{
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, code, ow_where_member(where, field), hint, "field \"%s\" in %s %s",
				   field, ow_where_subject(where), why);
}

void
ow_refuse_workflow_fields(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	for (const OwField *field = ow_workflow_task_fields; field->name != NULL; field++)
	{
		if (ow_field_is_present(source, field->name))
			refuse(compiler, "InvalidValue", field->name, where, "\"Resource\": \"workflow:NAME\" starts one.",
				   "is one of child workflows, and the Task is not of one");
	}
}

/* Fields of which only those listed mean something here */
static void
refuse_fields_but(OwCompiler *compiler, const char *allowed, const JsonbValue *source, const char *where, const char *why)
{
	for (const OwField *field = ow_workflow_task_fields; field->name != NULL; field++)
	{
		if (ow_field_is_present(source, field->name) && (allowed == NULL || strcmp(field->name, allowed) != 0))
			refuse(compiler, "InvalidValue", field->name, where, NULL, why);
	}
}

static void
warn_of_activity_fields(OwCompiler *compiler, const JsonbValue *source, const char *where)
{
	for (int i = 0; i < (int) lengthof(activity_fields); i++)
	{
		if (ow_field_is_present(source, activity_fields[i]))
			ow_problem_add(compiler->problems, OW_SEVERITY_WARNING, "Ignored", ow_where_member(where, activity_fields[i]),
						   "It is one of activities.", "field \"%s\" in %s has no effect", activity_fields[i],
						   ow_where_subject(where));
	}
}

/* ---- Parameters ---- */

/* Takes the ".$" off the name of a member whose value is a path. */
static char *
plain_name(const OwCompiler *compiler, const char *name)
{
	size_t		length = strlen(name);

	return !compiler->sql && length > 2 && strcmp(name + length - 2, ".$") == 0 ? pnstrdup(name, length - 2) : pstrdup(name);
}

static int
find_argument(const Arguments *arguments, const char *name)
{
	for (int i = 0; arguments->names[i] != NULL; i++)
	{
		if (strcmp(arguments->names[i], name) == 0)
			return i;
	}
	return -1;
}

/* Reports what is too much, and what is missing, of Parameters that are an object; others show when they are evaluated. */
static void
check_arguments(OwCompiler *compiler, const Arguments *arguments, const JsonbValue *source, const char *where)
{
	const char *field = compiler->sql ? "Arguments" : "Parameters";
	uint32		found = 0;
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	char	   *name;

	if (!ow_field_get(source, field, OW_OBJECT, &object))
		return;
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, &value))
	{
		int			argument = find_argument(arguments, plain_name(compiler, name));

		if (argument < 0)
			refuse(compiler, "InvalidParameters", field, where, NULL, psprintf("has an unknown member \"%s\"", name));
		else
			found |= 1U << argument;
	}
	for (int i = 0; i < arguments->required; i++)
	{
		if ((found & (1U << i)) == 0)
			refuse(compiler, "InvalidParameters", field, where, NULL, psprintf("has no member \"%s\"", arguments->names[i]));
	}
}

/* The name that Parameters gives; NULL when only a run can tell */
static char *
named_execution(const OwCompiler *compiler, const JsonbValue *source)
{
	JsonbValue	object;
	char	   *arn = NULL;

	if (ow_field_get(source, compiler->sql ? "Arguments" : "Parameters", OW_OBJECT, &object))
		arn = ow_field_string(&object, "StateMachineArn");
	return arn == NULL || strstr(arn, "{%") != NULL ? NULL : ow_state_machine_name(arn);
}

/* ---- children ---- */

static void
read_workflow_id(OwCompiler *compiler, OwWorkflowTask *task, const JsonbValue *source, const char *where)
{
	char	   *text = ow_field_string(source, "WorkflowId");

	if (text == NULL)
		return;
	task->workflow_id = text;
	if (compiler->sql && strstr(text, "{%") != NULL)
		task->workflow_id_sql = ow_compile_sql_expression(compiler, source, "WorkflowId", "a string", 0, where);
	else if (!compiler->sql && (*text == '$' || ow_expression_is_call(text)))
		task->workflow_id_path = ow_field_expression(source, "WorkflowId", where, compiler->problems);
	else if (*text == '\0' || strlen(text) > OW_MAX_WORKFLOW_ID)
		refuse(compiler, "InvalidValue", "WorkflowId", where, NULL,
			   psprintf("must have from 1 to %d bytes", OW_MAX_WORKFLOW_ID));
}

static void
read_policy(OwCompiler *compiler, OwWorkflowTask *task, const JsonbValue *source, const char *where)
{
	int			policy = ow_field_choice(source, "ParentClosePolicy", policy_names, where, compiler->problems);

	if (policy >= 0)
		task->policy = policy;
}

static void
compile_child(OwCompiler *compiler, OwWorkflowTask *task, const JsonbValue *source, const char *name, const char *where)
{
	static const char *const moments[] = {"Closed", "Started", NULL};

	if (*name == '\0')
		refuse(compiler, "InvalidResource", "Resource", where, NULL, "names no workflow");
	task->workflow = pstrdup(name);
	task->waits = ow_field_choice(source, "WaitFor", moments, where, compiler->problems) != 1;
	task->version = ow_field_integer(source, "Version", 1, PG_INT32_MAX, 0, where, compiler->problems);
	read_workflow_id(compiler, task, source, where);
	read_policy(compiler, task, source, where);
}

static void
compile_execution(OwCompiler *compiler, OwWorkflowTask *task, const JsonbValue *source, const char *suffix, const char *where)
{
	task->waits = *suffix != '\0';
	task->policy = task->waits ? OW_CLOSE_TERMINATE : OW_CLOSE_ABANDON;
	task->form = strcmp(suffix, ".sync") == 0 ? OW_CHILD_EXECUTION_TEXT : OW_CHILD_EXECUTION;
	if (*suffix != '\0' && strcmp(suffix, ".sync") != 0 && strcmp(suffix, ".sync:2") != 0)
		refuse(compiler, "NotSupported", "Resource", where, "An activity that is given the token can start it.",
			   psprintf("has the pattern \"%s\", which is not supported of executions", suffix));
	refuse_fields_but(compiler, "ParentClosePolicy", source, where, "has no effect on an execution: see its \"Parameters\"");
	read_policy(compiler, task, source, where);
	check_arguments(compiler, &execution_arguments, source, where);
	task->workflow = named_execution(compiler, source);
}

void
ow_compile_workflow_task(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	OwWorkflowTask *task = palloc0(sizeof(OwWorkflowTask));
	const char *suffix = execution_suffix(state->resource);
	const char *name = state->resource + strlen(PREFIX);

	state->workflow = task;
	if (suffix != NULL)
		compile_execution(compiler, task, source, suffix, where);
	else if (strcmp(name, "signal") == 0 || strcmp(name, "cancel") == 0)
	{
		task->kind = *name == 's' ? OW_REQUEST_SIGNAL : OW_REQUEST_CANCEL;
		refuse_fields_but(compiler, NULL, source, where, "is one of child workflows: another run is named in \"Parameters\"");
		check_arguments(compiler, *name == 's' ? &signal_arguments : &cancel_arguments, source, where);
	}
	else
		compile_child(compiler, task, source, name, where);
	warn_of_activity_fields(compiler, source, where);
	if (task->kind == OW_REQUEST_CHILD && task->workflow != NULL)
		compiler->definition->children = lappend(compiler->definition->children, task);
}
