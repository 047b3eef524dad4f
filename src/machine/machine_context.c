/*
 * machine_context.c
 *		The context object ($$), built when a path first asks for it, and idempotency keys.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/machine_internal.h"

char *
ow_uuid_to_cstring(const pg_uuid_t *uuid)
{
	static const char digits[] = "0123456789abcdef";
	char	   *text = palloc(37);
	char	   *out = text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[uuid->data[i] >> 4];
		*out++ = digits[uuid->data[i] & 0x0F];
	}
	*out = '\0';
	return text;
}

static Jsonb *
execution_context(const OwRun *run)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Id", ow_uuid_to_cstring(&run->run_id));
	ow_object_add_text(&object, "Name", run->workflow_id);
	ow_object_add_text(&object, "StartTime", ow_instant_format(run->started_at));
	ow_object_add(&object, "Input", run->input);
	ow_object_add(&object, "Error", run->error);
	return ow_object_end(&object);
}

static Jsonb *
state_context(const OwMachine *machine)
{
	const OwToken *token = &machine->run->token;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Name", ow_machine_state(machine)->name);
	ow_object_add_text(&object, "EnteredTime", ow_instant_format(token->entered_at));
	ow_object_add_int(&object, "RetryCount", token->attempt > 0 ? token->attempt - 1 : 0);
	return ow_object_end(&object);
}

static Jsonb *
state_machine_context(const OwRun *run)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Id", psprintf("%s:%d", run->workflow, run->version));
	ow_object_add_text(&object, "Name", run->workflow);
	ow_object_add_int(&object, "Version", run->version);
	return ow_object_end(&object);
}

static Jsonb *
make_context(void *arg)
{
	const OwMachine *machine = arg;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add(&object, "Execution", execution_context(machine->run));
	ow_object_add(&object, "State", state_context(machine));
	ow_object_add(&object, "StateMachine", state_machine_context(machine->run));
	if (machine->task_result != NULL)
	{
		OwObject	task;

		ow_object_begin(&task);
		ow_object_add(&task, "Result", machine->task_result);
		ow_object_add(&object, "Task", ow_object_end(&task));
	}
	return ow_object_end(&object);
}

/* The scope in which paths of the current state are read, with data as "$". */
void
ow_machine_scope(OwMachine *machine, const Jsonb *data, OwScope *scope)
{
	scope->data = data;
	scope->variables = NULL;
	scope->context = NULL;
	scope->make_context = make_context;
	scope->make_context_arg = machine;
}

/*
 * The key an activity can deduplicate its effects by: the same for every attempt of one visit to a
 * state, and over reset and workflow retry, which inherit the root run.
 */
char *
ow_machine_idempotency_key(const OwMachine *machine, const char *state)
{
	const OwRun *run = machine->run;
	JsonbValue	visits;
	int64		visit = 1;

	if (run->visits != NULL && ow_json_member(run->visits, state, &visits))
		(void) ow_json_value_int64(&visits, &visit);
	return psprintf("%s:%s:" INT64_FORMAT, ow_uuid_to_cstring(&run->root_run_id), state, visit);
}
