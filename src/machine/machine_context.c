/*
 * machine_context.c
 *		What expressions are evaluated in: the context object ($$), built when a path first asks for it,
 *		and random numbers; idempotency keys.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "machine/instant.h"
#include "machine/machine_internal.h"
#include "machine/random.h"

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

/* Events after which it is better to continue as new.  No setting: replay must see the same. */
#define LONG_HISTORY 10000

static bool
is_wanted(const char *wanted, const char *name)
{
	return wanted == NULL || strcmp(wanted, name) == 0;
}

static Jsonb *
execution_context(const OwRun *run, const char *inner)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "Id", ow_uuid_to_cstring(&run->run_id));
	ow_object_add_text(&object, "Name", run->workflow_id);
	ow_object_add_text(&object, "RoleArn", run->owner);
	ow_object_add_int(&object, "RedriveCount", 0);
	ow_object_add_text(&object, "StartTime", ow_instant_format(run->started_at));
	if (is_wanted(inner, "Input"))
		ow_object_add(&object, "Input", run->input);
	ow_object_add_int(&object, "HistoryLength", run->next_event_id - 1);
	ow_object_add_bool(&object, "ContinueAsNewSuggested", run->next_event_id > LONG_HISTORY);
	ow_object_add(&object, "Error", run->error);
	ow_object_add(&object, "Schedule", run->schedule);
	return ow_object_end(&object);
}

static bool
has_attempts(const OwState *state)
{
	return state->type == OW_STATE_TASK || ow_state_has_branches(state);
}

static Jsonb *
state_context(const OwMachine *machine)
{
	const OwToken *token = machine->token;
	OwObject	object;

	if (token->state == OW_NO_STATE)
		return NULL;			/* asked of a run that has not begun */
	ow_object_begin(&object);
	ow_object_add_text(&object, "Name", ow_machine_state(machine)->name);
	ow_object_add_text(&object, "EnteredTime", ow_instant_format(token->entered_at));
	if (has_attempts(ow_machine_state(machine)))
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

/* $$.Map of the innermost Map; NULL when there is none */
static Jsonb *
map_context(const OwMachine *machine)
{
	OwObject	item;
	OwObject	map;
	JsonbValue	value;
	int			index;

	if (!ow_machine_map_item(machine, &index, &value))
		return NULL;
	ow_object_begin(&item);
	ow_object_add_int(&item, "Index", index);
	ow_object_add_value(&item, "Value", &value);
	ow_object_begin(&map);
	ow_object_add(&map, "Item", ow_object_end(&item));
	return ow_object_end(&map);
}

static Jsonb *
task_context(const OwMachine *machine)
{
	const OwToken *token = machine->token;
	OwObject	task;

	if (machine->task_result == NULL && !token->has_task_token)
		return NULL;
	ow_object_begin(&task);
	ow_object_add(&task, "Result", machine->task_result);
	if (token->has_task_token)
		ow_object_add_text(&task, "Token", ow_uuid_to_cstring(&token->task_token));
	return ow_object_end(&task);
}

static Jsonb *
make_context(void *arg, const char *member, const char *inner)
{
	const OwMachine *machine = arg;
	OwObject	object;

	ow_object_begin(&object);
	if (is_wanted(member, "Execution"))
		ow_object_add(&object, "Execution", execution_context(machine->run, inner));
	if (is_wanted(member, "State"))
		ow_object_add(&object, "State", state_context(machine));
	if (is_wanted(member, "StateMachine"))
		ow_object_add(&object, "StateMachine", state_machine_context(machine->run));
	if (is_wanted(member, "Task"))
		ow_object_add(&object, "Task", task_context(machine));
	if (is_wanted(member, "Map"))
		ow_object_add(&object, "Map", map_context(machine));
	return ow_object_end(&object);
}

const Jsonb *
ow_machine_context(OwMachine *machine, const char *member, const char *inner)
{
	return make_context(machine, member, inner);
}

static uint64
run_seed(const OwRun *run)
{
	uint64		seed;

	memcpy(&seed, run->run_id.data + UUID_LEN - sizeof(seed), sizeof(seed));
	return seed;
}

/* A random number for the next event */
uint64
ow_machine_random(const OwMachine *machine)
{
	uint64		state = run_seed(machine->run) + UINT64CONST(0x9E3779B97F4A7C15) * (uint64) machine->run->next_event_id;

	return ow_random_next(&state);
}

/*
 * Where the random numbers of an evaluation start.  A Task's input may be evaluated again for a later
 * attempt, and its result after the run was stuck: they give the same for the whole visit.  Other
 * states evaluate each thing once, between two events.
 */
static uint64
evaluation_seed(OwMachine *machine, OwEvaluation what)
{
	const OwRun *run = machine->run;
	const OwState *state = ow_machine_state(machine);
	uint64		seed;

	if (has_attempts(state) && machine->item == NULL)
	{
		seed = run_seed(run) ^ hash_bytes_extended((const unsigned char *) state->name, strlen(state->name),
												   (uint64) ow_machine_visit_counts(machine)[state->index]);
		if (machine->branch != NULL)
			seed ^= hash_bytes_extended((const unsigned char *) machine->branch->path, strlen(machine->branch->path), 1);
	}
	else
		seed = ow_machine_random(machine) + (machine->item ? machine->item_index : 0);
	for (int i = 0; i <= (int) what; i++)
		seed = ow_random_next(&seed);
	return seed;
}

/* The scope in which expressions of the current state are evaluated, with data as "$". */
void
ow_machine_scope(OwMachine *machine, const Jsonb *data, OwEvaluation what, OwScope *scope)
{
	scope->data = data;
	scope->variables = ow_machine_variables(machine);
	scope->context = NULL;
	scope->make_context = make_context;
	scope->make_context_arg = machine;
	scope->random = evaluation_seed(machine, what);
}

/* The variables that a branch sees: its own, and those around it */
static Jsonb *
visible_variables(const OwRun *run, OwBranch *branch)
{
	if (branch == NULL)
		return run->token.variables;
	if (branch->visible == NULL)
	{
		Jsonb	   *outer = visible_variables(run, ow_run_find_branch(run, branch->parent));
		Jsonb	   *own = branch->token.variables;

		branch->visible = outer != NULL && own != NULL ? ow_json_merged(outer, own) : own != NULL ? own : outer;
	}
	return branch->visible;
}

const Jsonb *
ow_machine_variables(OwMachine *machine)
{
	return visible_variables(machine->run, machine->branch);
}

/* Times the token has entered each Task, Parallel and Map, by state index */
int *
ow_machine_visit_counts(OwMachine *machine)
{
	OwToken    *token = machine->token;

	if (token->visit_counts == NULL)
	{
		token->visit_counts = palloc0(sizeof(int) * machine->definition->nstates);
		for (int i = 0; token->visits != NULL && i < machine->definition->nstates; i++)
		{
			JsonbValue	value;
			int64		visits;

			if (ow_json_member(token->visits, machine->definition->states[i].name, &value) &&
				ow_json_value_int64(&value, &visits))
				token->visit_counts[i] = visits;
		}
	}
	return token->visit_counts;
}

Jsonb *
ow_machine_visits(const OwToken *token, const OwDefinition *definition)
{
	OwObject	object;

	if (token->visit_counts == NULL)
		return token->visits;
	ow_object_begin(&object);
	for (int i = 0; i < definition->nstates; i++)
	{
		if (token->visit_counts[i] > 0)
			ow_object_add_int(&object, definition->states[i].name, token->visit_counts[i]);
	}
	return ow_object_end(&object);
}

/*
 * The key an activity can deduplicate its effects by: the same for every attempt of one visit to a
 * state, and over reset and workflow retry, which inherit the root run.  In a branch its path is part of it.
 */
char *
ow_machine_idempotency_key(OwMachine *machine, const OwState *state)
{
	StringInfoData key;

	initStringInfo(&key);
	appendStringInfo(&key, "%s:", ow_uuid_to_cstring(&machine->run->root_run_id));
	if (machine->branch != NULL)
		appendStringInfo(&key, "%s/", machine->branch->path);
	ow_machine_append_name(&key, state->name);
	appendStringInfo(&key, ":%d", Max(ow_machine_visit_counts(machine)[state->index], 1));
	return key.data;
}
