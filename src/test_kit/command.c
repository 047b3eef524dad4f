/*
 * command.c
 *		What else happens in a test: statements executed at a time, or when an activity is called.
 *
 * A statement that falls due while a SQL activity is mocked is executed in its place: as one that the activity executes, it
 * leaves messages to runs, which they take in when the activity has ended.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "test_kit/explore.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_test_at);
PG_FUNCTION_INFO_V1(ow_test_on_activity);

/* After those that are due at the same time */
void
ow_test_add_command(OwTestKit *kit, const OwTestCommand *new_command)
{
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwTestCommand *command = memcpy(palloc(sizeof(OwTestCommand)), new_command, sizeof(OwTestCommand));
	int			position = 0;
	ListCell   *cell;

	command->sql = pstrdup(new_command->sql);
	command->workflow_id = new_command->workflow_id ? pstrdup(new_command->workflow_id) : NULL;
	command->input = new_command->input ? ow_json_copy(new_command->input) : NULL;
	foreach(cell, kit->commands)
	{
		if (((OwTestCommand *) lfirst(cell))->at <= command->at)
			position = foreach_current_index(cell) + 1;
	}
	kit->commands = list_insert_nth(kit->commands, position, command);
	MemoryContextSwitchTo(previous);
}

/* at(after interval, command text): executes the command when the clock has moved on by `after`. */
Datum
ow_test_at(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	OwTestCommand command = {
		.at = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(ow_clock_now()),
													  PG_GETARG_DATUM(0))),
		.sql = text_to_cstring(PG_GETARG_TEXT_PP(1))
	};

	ow_test_add_command(kit, &command);
	PG_RETURN_VOID();
}

/* _on_activity(activity text, command text, options jsonb) */
Datum
ow_test_on_activity(PG_FUNCTION_ARGS)
{
	OwTestKit  *kit = ow_test_kit_required();
	const Jsonb *options = PG_GETARG_JSONB_P(2);
	MemoryContext previous = MemoryContextSwitchTo(kit->context);
	OwTestReaction *reaction = palloc0(sizeof(OwTestReaction));

	ow_mock_read_match(options, &reaction->match);
	reaction->match.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	reaction->sql = text_to_cstring(PG_GETARG_TEXT_PP(1));
	reaction->after_ms = ow_mock_read_interval(options, "after", 0);
	reaction->call = ow_mock_read_int(options, "call", 0);
	kit->reactions = lappend(kit->reactions, reaction);
	kit->names_unchecked = true;
	MemoryContextSwitchTo(previous);
	PG_RETURN_VOID();
}

void
ow_test_react(OwTestKit *kit, const OwMockedCall *call)
{
	ListCell   *cell;

	foreach(cell, kit->reactions)
	{
		OwTestReaction *reaction = lfirst(cell);

		if (!ow_mock_matches(&reaction->match, call))
			continue;
		reaction->seen++;
		if (reaction->call == 0 || reaction->call == reaction->seen)
			ow_test_add_command(kit, &(OwTestCommand) {
							.at = ow_instant_add_ms(ow_clock_now(), reaction->after_ms),
								.sql = reaction->sql,
								.workflow_id = (char *) call->workflow_id,
								.input = (Jsonb *) call->input
						});
	}
}

TimestampTz
ow_test_next_command(const OwTestKit *kit)
{
	return kit->commands == NIL ? DT_NOEND : ((OwTestCommand *) linitial(kit->commands))->at;
}

static int
execute(const OwTestCommand *command)
{
	Oid			types[] = {TEXTOID, JSONBOID};
	Datum		values[2];

	if (command->workflow_id == NULL)
		return SPI_execute(command->sql, false, 0);
	values[0] = CStringGetTextDatum(command->workflow_id);
	values[1] = JsonbPGetDatum(command->input);
	return SPI_execute_with_args(command->sql, lengthof(types), types, values, NULL, false, 0);
}

static void
add_context(void *command)
{
	errcontext("statement of a test, due at %s: %s", ow_instant_format(((OwTestCommand *) command)->at),
			   ((OwTestCommand *) command)->sql);
}

void
ow_test_execute(const OwTestCommand *command)
{
	int			result;

	SPI_connect();
	result = execute(command);
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("cannot execute the statement: %s", SPI_result_code_string(result))));
	SPI_finish();
}

bool
ow_test_execute_due(OwTestKit *kit)
{
	OwTestCommand *command;
	ErrorContextCallback callback;

	if (ow_test_next_command(kit) > ow_clock_now())
		return false;
	command = linitial(kit->commands);
	kit->commands = list_delete_first(kit->commands);
	callback.callback = add_context;
	callback.arg = command;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	if (command->decision != NULL)
		ow_explore_execute(command);
	else
		ow_test_execute(command);
	error_context_stack = callback.previous;
	return true;
}
