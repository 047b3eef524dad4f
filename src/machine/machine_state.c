/*
 * machine_state.c
 *		Entering and leaving states, and the data flow around them.
 *
 * Raw input -> InputPath -> Parameters -> the state's work -> ResultSelector -> ResultPath (into the
 * raw input) -> OutputPath -> raw input of the next state.  One small function per state type.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

#define MAX_VARIABLES_SIZE (10 * 1024 * 1024)	/* of one run, as Step Functions */

/* Applies an InputPath or OutputPath. */
static bool
apply_path(OwMachine *machine, const OwPath *path, bool is_null, Jsonb *data, Jsonb **out, OwFailure *failure)
{
	OwScope		scope;
	const char *missing;

	if (is_null)
		*out = ow_json_empty_object();
	else if (path == NULL || ow_path_is_root(path))
		*out = data;
	else
	{
		ow_machine_scope(machine, data, OW_EVALUATE_INPUT, &scope);
		*out = ow_path_get_json(path, &scope, &missing);
		if (*out == NULL)
			return ow_fail(failure, OW_ERROR_RUNTIME, "%s", missing);
	}
	return true;
}

bool
ow_machine_apply_output_path(OwMachine *machine, const OwState *state, Jsonb *data, Jsonb **output, OwFailure *failure)
{
	return apply_path(machine, state->output_path, state->output_path_null, data, output, failure);
}

/* The effective input of the current state: raw input through InputPath and Parameters. */
bool
ow_machine_input(OwMachine *machine, const OwState *state, Jsonb **input, OwFailure *failure)
{
	OwScope		scope;

	if (state->sql != NULL)
		return ow_machine_sql_input(machine, state, input, failure);
	if (!apply_path(machine, state->input_path, state->input_path_null, machine->token->data, input, failure))
		return false;
	if (state->parameters == NULL)
		return true;
	ow_machine_scope(machine, *input, OW_EVALUATE_INPUT, &scope);
	*input = ow_template_evaluate(state->parameters, &scope, failure);
	return *input != NULL;
}

bool
ow_machine_check_variables(const Jsonb *variables, OwFailure *failure)
{
	return VARSIZE(variables) <= MAX_VARIABLES_SIZE ||
		ow_fail(failure, OW_ERROR_DATA_LIMIT, "the variables take more than %d MiB",
				MAX_VARIABLES_SIZE / (1024 * 1024));
}

/*
 * What the variables will be when the state is left: those assigned now (NULL: none) and the others as
 * they are.  Until then all expressions of the state see the old ones.
 */
bool
ow_machine_take_assigned(OwMachine *machine, Jsonb *assigned, OwFailure *failure)
{
	Jsonb	   *variables = machine->branch ? machine->token->variables : ow_machine_run_variables(machine->run);

	machine->assigned = variables;
	if (assigned == NULL)
		return true;
	assigned = variables == NULL ? assigned : ow_json_merged(variables, assigned);
	if (!ow_machine_check_variables(assigned, failure))
		return false;
	machine->assigned = JB_ROOT_COUNT(assigned) == 0 ? NULL : assigned;
	return true;
}

/* Evaluates an Assign over the data. */
bool
ow_machine_assign(OwMachine *machine, const OwTemplate *assign, Jsonb *data, OwEvaluation what, OwFailure *failure)
{
	Jsonb	   *assigned = NULL;
	OwScope		scope;

	if (assign != NULL)
	{
		ow_machine_scope(machine, data, what, &scope);
		assigned = ow_template_evaluate(assign, &scope, failure);
		if (assigned == NULL)
			return false;
	}
	return ow_machine_take_assigned(machine, assigned, failure);
}

void
ow_machine_keep_assigned(OwMachine *machine)
{
	machine->token->variables = machine->assigned;
	if (machine->branch != NULL)
		machine->branch->visible = NULL;
	else
		machine->run->updated = NULL;
}

/*
 * The state's output from its result: ResultSelector, ResultPath into the raw input, OutputPath.  Assign
 * sees the result itself.
 */
static bool
result_by_paths(OwMachine *machine, const OwState *state, Jsonb *result, Jsonb **output, OwFailure *failure)
{
	Jsonb	   *combined = result;

	if (!ow_machine_assign(machine, state->assign, result, OW_EVALUATE_ASSIGN, failure))
		return false;
	if (state->result_selector != NULL)
	{
		OwScope		scope;

		ow_machine_scope(machine, result, OW_EVALUATE_RESULT, &scope);
		combined = ow_template_evaluate(state->result_selector, &scope, failure);
		if (combined == NULL)
			return false;
	}
	if (state->result_path_null)
		combined = machine->token->data;
	else if (state->result_path != NULL && !ow_path_is_root(state->result_path))
	{
		combined = ow_path_set(state->result_path, machine->token->data, combined, failure);
		if (combined == NULL)
			return false;
	}
	return apply_path(machine, state->output_path, state->output_path_null, combined, output, failure);
}

/* The same in either language, with the search attributes that the state sets */
bool
ow_machine_result(OwMachine *machine, const OwState *state, Jsonb *result, Jsonb **output, OwFailure *failure)
{
	return (state->sql ? ow_machine_sql_output(machine, state, result, output, failure) :
			result_by_paths(machine, state, result, output, failure)) &&
		ow_machine_search(machine, state, *output, result, failure);
}

/*
 * A loop that doubles its data in each round would take all memory long before it is stopped for its
 * transitions.  The event is what replay knows it from: the limit may have changed since.
 */
bool
ow_machine_check_size(OwMachine *machine, const OwState *state, const Jsonb *output, OwFailure *failure)
{
	const OwHost *host = machine->host;
	OwObject	object;

	if (host->fits == NULL || host->fits(host->arg, machine->run, output))
		return true;
	machine->searched = NULL;
	ow_object_begin(&object);
	ow_object_add_int(&object, "bytes", VARSIZE(output));
	ow_machine_record(machine, "DataLimitReached", state->name, ow_object_end(&object));
	return ow_fail(failure, OW_ERROR_DATA_LIMIT, "the output of state \"%s\" takes %u bytes, more than order_workflow.max_payload",
				   state->name, VARSIZE(output));
}

/* The event is what replay knows it from: the type may have changed since. */
static void
record_rejected(OwMachine *machine, Jsonb *output, const OwFailure *failure)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "error", failure->error);
	ow_object_add_text(&object, "cause", failure->cause);
	ow_object_add(&object, "output", output);
	ow_machine_record(machine, "WorkflowExecutionOutputRejected", ow_machine_state(machine)->name,
					  ow_object_end(&object));
}

/*
 * The end of a machine: the run completes, or the branch.  A run's output that is not of the declared
 * type is a failure of the run, which no Catch takes.
 */
static void
complete(OwMachine *machine, Jsonb *output)
{
	const OwHost *host = machine->host;
	OwRun	   *run = machine->run;
	const OwPayloadType *type = machine->definition->output_type;
	OwFailure	failure;

	if (machine->branch != NULL)
		ow_machine_branch_completed(machine, output);
	else if (type != NULL && run->sticky_status == OW_STATUS_RUNNING &&
			 !host->check_output(host->arg, run, type, output, &failure))
	{
		record_rejected(machine, output, &failure);
		ow_machine_fail(machine, &failure);
	}
	else
	{
		ow_machine_decide(machine, OW_STATUS_COMPLETED, NULL, NULL, NULL);
		run->outcome.output = output;
	}
}

/* The output of a state without a result, which makes what it says of its input */
bool
ow_machine_pass_on(OwMachine *machine, const OwState *state, Jsonb **output, OwFailure *failure)
{
	Jsonb	   *input;

	if (state->sql != NULL)
		return ow_machine_sql_output(machine, state, NULL, output, failure);
	return ow_machine_input(machine, state, &input, failure) &&
		ow_machine_assign(machine, state->assign, input, OW_EVALUATE_ASSIGN, failure) &&
		apply_path(machine, state->output_path, state->output_path_null, input, output, failure);
}

/*
 * Leaves the state: on to the next, or the run completes with this output (NULL: after a Wait).  What it
 * assigns has been evaluated (but for a Wait).
 */
void
ow_machine_leave(OwMachine *machine, Jsonb *output)
{
	const OwState *state = ow_machine_state(machine);
	OwFailure	failure;

	if (output == NULL && !ow_machine_pass_on(machine, state, &output, &failure))
	{
		ow_machine_fail(machine, &failure);
		return;
	}
	if (!ow_machine_check_size(machine, state, output, &failure))
	{
		if (!ow_machine_catch(machine, state, &failure))
			ow_machine_fail(machine, &failure);
		return;
	}
	if (state->type != OW_STATE_COMPENSATE)
		ow_machine_keep_assigned(machine);
	ow_machine_keep_searched(machine, state);
	if (state->next != OW_NO_STATE)
		ow_machine_go(machine, state->next, output);
	else
		complete(machine, output);
}

static bool
enter_pass(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	Jsonb	   *input;
	Jsonb	   *output;

	if (state->sql != NULL)
	{
		if (!ow_machine_pass_on(machine, state, &output, failure) ||
			!ow_machine_search(machine, state, output, NULL, failure))
			return false;
	}
	else if (!ow_machine_input(machine, state, &input, failure) ||
			 !ow_machine_result(machine, state, state->result ? state->result : input, &output, failure))
		return false;
	ow_machine_leave(machine, output);
	return true;
}

/* Which way to go by paths, and with what */
static bool
choose(OwMachine *machine, const OwState *state, int *chosen, Jsonb **output, OwFailure *failure)
{
	int			next = state->default_next;
	const OwTemplate *assign = state->assign;
	Jsonb	   *input;
	OwScope		scope;

	if (!ow_machine_input(machine, state, &input, failure))
		return false;
	ow_machine_scope(machine, input, OW_EVALUATE_INPUT, &scope);
	for (int i = 0; i < state->nbranches; i++)
	{
		bool		matches;

		if (!ow_choice_evaluate(state->branches[i].rule, &scope, &matches, failure))
			return false;
		if (matches)
		{
			next = state->branches[i].next;
			assign = state->branches[i].assign;
			break;
		}
	}
	if (next == OW_NO_STATE)
		return ow_fail(failure, OW_ERROR_NO_CHOICE, "no choice of state \"%s\" matches, and it has no Default",
					   state->name);
	*chosen = next;
	return ow_machine_assign(machine, assign, input, OW_EVALUATE_ASSIGN, failure) &&
		apply_path(machine, state->output_path, state->output_path_null, input, output, failure);
}

/* Leaves the state for the one it has chosen; what it assigns has been evaluated. */
bool
ow_machine_leave_to(OwMachine *machine, const OwState *state, int next, Jsonb *output, OwFailure *failure)
{
	if (!ow_machine_check_size(machine, state, output, failure))
		return false;
	ow_machine_keep_assigned(machine);
	ow_machine_keep_searched(machine, state);
	ow_machine_go(machine, next, output);
	return true;
}

static bool
enter_choice(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	int			next;
	Jsonb	   *output;

	return (state->sql ? ow_machine_sql_choose(machine, state, &next, &output, failure) :
			choose(machine, state, &next, &output, failure)) &&
		ow_machine_leave_to(machine, state, next, output, failure);
}

static bool
enter_succeed(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	Jsonb	   *output;

	if (!ow_machine_pass_on(machine, state, &output, failure))
		return false;
	complete(machine, output);
	return true;
}

static bool
fail_text(OwMachine *machine, const OwState *state, const OwExpression *expression, const char *field,
		  const char **text, OwFailure *failure)
{
	JsonbValue	value;
	OwScope		scope;

	if (expression == NULL)
		return true;
	ow_machine_scope(machine, machine->token->data, OW_EVALUATE_INPUT, &scope);
	if (!ow_expression_evaluate(expression, &scope, &value, failure))
		return false;
	if (value.type != jbvString)
		return ow_fail(failure, OW_ERROR_RUNTIME, "%s of state \"%s\" is not a string", field, state->name);
	*text = ow_json_value_cstring(&value);
	return true;
}

/* A Fail state closes the run: it never leads to OnError.  In a branch it fails that. */
static bool
enter_fail(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	const char *error = state->error;
	const char *cause = state->cause;

	if (state->sql != NULL)
	{
		if (!ow_machine_evaluate_text(machine, state->sql->error, &error, failure) ||
			!ow_machine_evaluate_text(machine, state->sql->cause, &cause, failure))
			return false;
	}
	else if (!fail_text(machine, state, state->error_path, "ErrorPath", &error, failure) ||
			 !fail_text(machine, state, state->cause_path, "CausePath", &cause, failure))
		return false;
	if (machine->branch != NULL)
		ow_machine_branch_failed(machine, &(OwFailure) {
									 .error = unconstify(char *, error ? error : ""),
									 .cause = unconstify(char *, cause),
									 .next_retry_delay_ms = OW_UNSET
								 });
	else
		ow_machine_decide(machine, OW_STATUS_FAILED, error, cause, state->public_error);
	return true;
}

/* Runs the recorded compensations (of the branch, in one), last first; with none left it passes its input on. */
static bool
enter_compensate(OwMachine *machine, const OwState *state, OwFailure *failure)
{
	if (!ow_machine_compensate_next(machine))
		ow_machine_leave(machine, machine->token->data);
	return true;
}

/*
 * Enters the token's state.  A state shows in history as StateEntered, a Task as its first
 * ActivityTaskScheduled.
 */
void
ow_machine_enter(OwMachine *machine)
{
	const OwState *state = ow_machine_state(machine);
	OwFailure	failure;
	bool		ok = true;

	machine->token->entered_at = machine->now;
	if (state->type == OW_STATE_TASK)
	{
		ow_machine_enter_task(machine, state);
		return;
	}
	ow_machine_record(machine, "StateEntered", state->name, NULL);
	switch (state->type)
	{
		case OW_STATE_PASS:
			ok = enter_pass(machine, state, &failure);
			break;
		case OW_STATE_CHOICE:
			ok = enter_choice(machine, state, &failure);
			break;
		case OW_STATE_WAIT:
			ok = ow_machine_enter_wait(machine, state, &failure);
			break;
		case OW_STATE_SUCCEED:
			ok = enter_succeed(machine, state, &failure);
			break;
		case OW_STATE_FAIL:
			ok = enter_fail(machine, state, &failure);
			break;
		case OW_STATE_COMPENSATE:
			ok = enter_compensate(machine, state, &failure);
			break;
		case OW_STATE_PARALLEL:
		case OW_STATE_MAP:
			ok = ow_machine_enter_branches(machine, state, &failure);
			break;
		case OW_STATE_AWAIT:
			ok = ow_machine_enter_await(machine, state, &failure);
			break;
		case OW_STATE_CONTINUE_AS_NEW:
			ok = ow_machine_continue_as_new(machine, state, &failure);
			break;
		case OW_STATE_VERSION:
			ow_machine_enter_version(machine, state);
			break;
		case OW_STATE_TASK:
			pg_unreachable();
	}
	if (!ok)
		ow_machine_fail(machine, &failure);
}
