/*
 * machine_update.c
 *		Updates: requests that a run accepts or rejects, and answers.
 *
 *		WorkflowExecutionUpdateAccepted		 it may be done
 *		WorkflowExecutionUpdateCompleted	 it has been: the result, or why there is none
 *
 * One that is rejected leaves no event.  What is rejected may show only after it has been recorded as accepted, since
 * that event is what replay makes the input from: then it is taken back.
 *
 * One that has a handler completes in the step in which it is accepted, whatever the run is at.  The others are buffered
 * beside the signals, in order with them, until an Await state takes them (machine_wait.c).
 *
 * Variables that a handler assigns are the run's at once where it waits, but must not change what a state sees
 * that is at work: attempts of a task have the same input.  They are kept in run->updated until that state is left.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

static const char *const status_names[] = {
	[OW_UPDATE_ACCEPTED] = "Accepted",
	[OW_UPDATE_COMPLETED] = "Completed",
	[OW_UPDATE_REJECTED] = "Rejected",
	[OW_UPDATE_FAILED] = "Failed"
};

const char *
ow_update_status_name(OwUpdateStatus status)
{
	return status_names[status];
}

/* ---- what becomes of it ---- */

static Jsonb *
failure_json(const OwFailure *failure, const OwPublicError *public_error)
{
	OwObject	object;
	OwObject	public;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Error", failure->error);
	ow_object_add_text(&object, "Cause", failure->cause);
	if (public_error != NULL)
	{
		ow_object_begin(&public);
		ow_object_add_text(&public, "Code", public_error->code);
		ow_object_add_text(&public, "Message", public_error->message);
		ow_object_add(&object, "Public", ow_object_end(&public));
	}
	return ow_object_end(&object);
}

/* For the shell, which tells whoever waits for it */
static void
note(OwMachine *machine, const OwBufferedSignal *update, OwUpdateStatus status, Jsonb *result, Jsonb *failure)
{
	OwUpdateOutcome *outcome = palloc(sizeof(OwUpdateOutcome));

	*outcome = (OwUpdateOutcome) {
		.update = update,
			.update_id = update->update_id,
			.status = status,
			.event_id = update->event_id,
			.time = machine->now,
			.result = result,
			.failure = failure
	};
	machine->run->update_outcomes = lappend(machine->run->update_outcomes, outcome);
}

static void
record_completed(OwMachine *machine, const OwBufferedSignal *update, const char *state, const Jsonb *result,
				 const OwFailure *failure)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "update", update->name);
	ow_object_add_text(&object, "update_id", update->update_id);
	ow_object_add_int(&object, "accepted_event_id", update->event_id);
	ow_object_add(&object, "result", result);
	if (failure != NULL)
	{
		ow_object_add_text(&object, "error", failure->error);
		ow_object_add_text(&object, "cause", failure->cause);
	}
	ow_machine_record(machine, "WorkflowExecutionUpdateCompleted", state, ow_object_end(&object));
}

static void
complete(OwMachine *machine, const OwBufferedSignal *update, const char *state, Jsonb *result)
{
	record_completed(machine, update, state, result, NULL);
	note(machine, update, OW_UPDATE_COMPLETED, result, NULL);
}

/* ---- evaluation ---- */

static bool
evaluate(OwMachine *machine, const OwTemplate *template, const OwSqlTemplate *sql, const Jsonb *payload,
		 const Jsonb *variables, Jsonb **value, OwFailure *failure)
{
	OwScope		scope;
	OwSqlScope	sql_scope;

	if (sql != NULL)
	{
		ow_machine_run_sql_scope(machine, sql, &sql_scope);
		sql_scope.result = payload;
		sql_scope.vars = variables;
		return ow_machine_sql_evaluate(machine, sql, sql_scope, value, failure);
	}
	ow_machine_run_scope(machine, payload, &scope);
	scope.variables = variables;
	*value = ow_template_evaluate(template, &scope, failure);
	return *value != NULL;
}

/* Does the update's own condition hold?  One that cannot be applied to the payload does not. */
static bool
is_valid(OwMachine *machine, const OwUpdateType *type, const Jsonb *payload, OwFailure *failure)
{
	OwScope		scope;
	OwSqlScope	sql_scope;
	OwFailure	ignored;
	bool		valid = true;

	if (type->sql_condition != NULL)
	{
		ow_machine_run_sql_scope(machine, type->sql_condition, &sql_scope);
		sql_scope.result = payload;
		if (!ow_machine_sql_condition(machine, type->sql_condition, sql_scope, &valid, failure))
			return false;
	}
	else if (type->condition != NULL)
	{
		ow_machine_run_scope(machine, payload, &scope);
		valid = ow_choice_evaluate(type->condition, &scope, &valid, &ignored) && valid;
	}
	if (valid)
		return true;
	return ow_fail(failure, type->error ? type->error : OW_ERROR_UPDATE_REJECTED, "%s",
				   type->cause ? type->cause : "its Condition does not hold");
}

static bool
project(OwMachine *machine, const OwProjection *projection, const Jsonb *payload, const Jsonb *variables,
		Jsonb **result, OwFailure *failure)
{
	if (!evaluate(machine, projection->template, projection->sql, payload, variables, result, failure))
		return false;
	if (projection->sql == NULL)
		*result = ow_json_get(*result, "Result");
	return true;
}

/* What the handler assigns (NULL: nothing), and its result, which sees that */
static bool
handle(OwMachine *machine, const OwUpdateType *type, const Jsonb *payload, Jsonb **assigned, Jsonb **result,
	   OwFailure *failure)
{
	Jsonb	   *variables = ow_machine_run_variables(machine->run);

	*assigned = NULL;
	*result = ow_json_null();
	if ((type->assign != NULL || type->sql_assign != NULL) &&
		!evaluate(machine, type->assign, type->sql_assign, payload, variables, assigned, failure))
		return false;
	if (*assigned != NULL)
		variables = variables ? ow_json_merged(variables, *assigned) : *assigned;
	if (variables != NULL && !ow_machine_check_variables(variables, failure))
		return false;
	return type->result == NULL || project(machine, type->result, payload, variables, result, failure);
}

/* ---- variables ---- */

static bool
is_at_work(const OwToken *token)
{
	return token->phase != OW_PHASE_ENTER && token->phase != OW_PHASE_WAIT && token->phase != OW_PHASE_AWAIT;
}

static Jsonb *
merge(Jsonb *variables, Jsonb *assigned)
{
	return variables == NULL ? assigned : ow_json_merged(variables, assigned);
}

static void
assign(OwRun *run, Jsonb *assigned)
{
	if (assigned == NULL || JB_ROOT_COUNT(assigned) == 0)
		return;
	if (is_at_work(&run->token))
		run->updated = merge(run->updated, assigned);
	else
		run->token.variables = merge(run->token.variables, assigned);
}

/* The variables as they will be once the run's own token has left its state */
Jsonb *
ow_machine_run_variables(const OwRun *run)
{
	return run->updated == NULL ? run->token.variables : merge(run->token.variables, run->updated);
}

/* The token leaves its state: if it is the run's own, what updates have assigned meanwhile is there from now on. */
void
ow_machine_take_updated(OwMachine *machine)
{
	OwRun	   *run = machine->run;

	if (machine->branch != NULL || run->updated == NULL)
		return;
	run->token.variables = ow_machine_run_variables(run);
	run->updated = NULL;
}

/* ---- what comes ---- */

/* Accepts the update, and completes it if it has a handler; false: it must be rejected. */
static bool
accept_update(OwMachine *machine, const OwUpdateType *type, OwBufferedSignal *update, OwFailure *failure)
{
	Jsonb	   *assigned;
	Jsonb	   *result;

	if (type == NULL)
		return ow_fail(failure, OW_ERROR_UPDATE_REJECTED, "version %d of the workflow declares no update \"%s\"",
					   machine->run->version, update->name);
	if (machine->run->outcome.decided)
		return ow_fail(failure, OW_ERROR_UPDATE_REJECTED, "the run is about to close");
	if (!is_valid(machine, type, update->payload, failure))
		return false;
	if (!type->handled)
	{
		machine->run->signals = lappend(machine->run->signals, update);
		note(machine, update, OW_UPDATE_ACCEPTED, NULL, NULL);
		return true;
	}
	if (!handle(machine, type, update->payload, &assigned, &result, failure))
		return false;
	complete(machine, update, NULL, result);
	assign(machine->run, assigned);
	return true;
}

static void
record_accepted(OwMachine *machine, const OwInput *input)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "update", input->signal);
	ow_object_add_text(&object, "update_id", input->update_id);
	ow_object_add(&object, "payload", input->details);
	ow_object_add_text(&object, "sent_at", ow_instant_format(input->sent_at));
	ow_object_add_text(&object, "requested_by", input->requested_by);
	ow_machine_record(machine, "WorkflowExecutionUpdateAccepted", NULL, ow_object_end(&object));
}

void
ow_machine_update(OwMachine *machine, const OwInput *input)
{
	OwRun	   *run = machine->run;
	const OwUpdateType *type = ow_definition_find_update(machine->definition, input->signal);
	int			events = list_length(machine->events);
	OwBufferedSignal *update = palloc0(sizeof(OwBufferedSignal));
	OwFailure	failure;

	*update = (OwBufferedSignal) {
		.event_id = run->next_event_id,
			.name = pstrdup(input->signal),
			.payload = input->details ? input->details : ow_json_null(),
			.sent_at = input->sent_at,
			.sent_by = input->requested_by ? pstrdup(input->requested_by) : NULL,
			.update_id = pstrdup(input->update_id)
	};
	record_accepted(machine, input);
	if (accept_update(machine, type, update, &failure))
		return;
	machine->events = list_truncate(machine->events, events);
	run->next_event_id = update->event_id;
	update->event_id = 0;
	note(machine, update, OW_UPDATE_REJECTED, NULL, failure_json(&failure, type ? type->public_error : NULL));
}

/* An Await state has taken the update, and assigned what it assigns. */
bool
ow_machine_answer_update(OwMachine *machine, const OwAwaited *awaited, OwBufferedSignal *update, OwFailure *failure)
{
	Jsonb	   *result = ow_json_null();
	OwScope		scope;
	OwSqlScope	sql_scope = {.result = update->payload, .vars = machine->assigned};

	if (awaited->answer != NULL && awaited->answer->sql != NULL)
	{
		if (!ow_machine_sql_evaluate(machine, awaited->answer->sql, sql_scope, &result, failure))
			return false;
	}
	else if (awaited->answer != NULL)
	{
		ow_machine_scope(machine, update->payload, OW_EVALUATE_RESULT, &scope);
		scope.variables = machine->assigned;
		result = ow_template_evaluate(awaited->answer->template, &scope, failure);
		if (result == NULL)
			return false;
		result = ow_json_get(result, "Result");
	}
	complete(machine, update, ow_machine_state(machine)->name, result);
	update->answered = true;
	return true;
}

/* The state that took the update fails: so does the update, unless it was answered before that. */
void
ow_machine_fail_update(OwMachine *machine, OwBufferedSignal *update, const OwFailure *failure)
{
	if (update->update_id == NULL || update->answered)
		return;
	record_completed(machine, update, ow_machine_state(machine)->name, NULL, failure);
	note(machine, update, OW_UPDATE_FAILED, NULL, failure_json(failure, NULL));
}

/* The run closes: no state will take what is still buffered.  Its history says so by what is not in it. */
void
ow_machine_drop_updates(OwMachine *machine)
{
	OwFailure	failure;
	ListCell   *cell;

	(void) ow_fail(&failure, OW_ERROR_UPDATE_DROPPED, OW_CAUSE_UPDATE_DROPPED);
	foreach(cell, machine->run->signals)
	{
		const OwBufferedSignal *signal = lfirst(cell);

		if (signal->update_id != NULL)
			note(machine, signal, OW_UPDATE_FAILED, NULL, failure_json(&failure, NULL));
	}
}
