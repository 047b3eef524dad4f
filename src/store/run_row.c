/*
 * run_row.c
 *		Building and reading rows column by column, and handing many of them to one statement.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "store/run.h"
#include "store/run_row.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

void
ow_row_set(OwRow *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

void
ow_row_set_text(OwRow *row, int column, const char *value)
{
	row->nulls[column] = value == NULL;
	if (value != NULL)
		row->values[column] = CStringGetTextDatum(value);
}

void
ow_row_set_json(OwRow *row, int column, const Jsonb *value)
{
	row->nulls[column] = value == NULL;
	if (value != NULL)
		row->values[column] = JsonbPGetDatum(value);
}

void
ow_row_set_time(OwRow *row, int column, TimestampTz value)
{
	row->nulls[column] = value == DT_NOEND;
	row->values[column] = TimestampTzGetDatum(value);
}

/* ---- tokens ---- */

static void
set_retry_counts(OwRow *row, int column, const int *counts)
{
	int			used = OW_MAX_RETRIERS;

	while (used > 0 && counts[used - 1] == 0)
		used--;
	row->nulls[column] = used == 0;
	if (used > 0)
		row->values[column] = ow_store_int_array(counts, used);
}

void
ow_row_set_token(OwRow *row, int first, const OwToken *token, const OwDefinition *definition, bool documents)
{
	ow_row_set_text(row, first + TOKEN_STATE, token->state == OW_NO_STATE ? NULL : definition->states[token->state].name);
	ow_row_set_text(row, first + TOKEN_PHASE, ow_phase_name(token->phase));
	ow_row_set(row, first + TOKEN_ATTEMPT, Int32GetDatum(token->attempt));
	ow_row_set(row, first + TOKEN_TRANSITIONS, Int32GetDatum(token->transitions));
	ow_row_set(row, first + TOKEN_COMPENSATION, Int32GetDatum(token->compensation));
	ow_row_set(row, first + TOKEN_OPENED, Int32GetDatum(token->opened));
	ow_row_set(row, first + TOKEN_FAILED, Int32GetDatum(token->failed));
	ow_row_set_time(row, first + TOKEN_ENTERED_AT, token->entered_at);
	ow_row_set_time(row, first + TOKEN_SCHEDULED_AT, token->scheduled_at);
	ow_row_set_time(row, first + TOKEN_DUE_AT, token->due_at);
	ow_row_set(row, first + TOKEN_TASK_TOKEN, UUIDPGetDatum(&token->task_token));
	row->nulls[first + TOKEN_TASK_TOKEN] = !token->has_task_token;
	set_retry_counts(row, first + TOKEN_RETRY_COUNTS, token->retry_counts);
	ow_row_set_json(row, first + TOKEN_DATA, documents ? token->data : NULL);
	ow_row_set_json(row, first + TOKEN_KEPT, documents ? token->kept : NULL);
	ow_row_set_json(row, first + TOKEN_LAST_FAILURE, token->last_failure);
	ow_row_set_json(row, first + TOKEN_VISITS, ow_machine_visits(token, definition));
	ow_row_set_json(row, first + TOKEN_VARIABLES, documents ? token->variables : NULL);
	ow_row_set_json(row, first + TOKEN_CONTROL, token->control);
}

static void
read_retry_counts(uint64 row, int column, int *counts)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	Datum	   *items;
	int			count;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(value), INT4OID, sizeof(int32), true, TYPALIGN_INT, &items, NULL, &count);
	for (int i = 0; i < Min(count, OW_MAX_RETRIERS); i++)
		counts[i] = DatumGetInt32(items[i]);
}

void
ow_row_read_token(uint64 row, int first, OwToken *token)
{
	Datum		task_token;
	bool		isnull;

	first++;					/* the store counts from 1 */
	token->state = OW_NO_STATE;
	token->phase = ow_phase_from_name(ow_store_text(row, first + TOKEN_PHASE));
	token->attempt = ow_store_int(row, first + TOKEN_ATTEMPT);
	token->transitions = ow_store_int(row, first + TOKEN_TRANSITIONS);
	token->compensation = ow_store_int(row, first + TOKEN_COMPENSATION);
	token->opened = ow_store_int(row, first + TOKEN_OPENED);
	token->failed = ow_store_int(row, first + TOKEN_FAILED);
	token->entered_at = ow_store_time(row, first + TOKEN_ENTERED_AT);
	token->scheduled_at = ow_store_time(row, first + TOKEN_SCHEDULED_AT);
	token->due_at = ow_store_time(row, first + TOKEN_DUE_AT);
	task_token = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, first + TOKEN_TASK_TOKEN, &isnull);
	token->has_task_token = !isnull;
	if (!isnull)
		token->task_token = *DatumGetUUIDP(task_token);
	read_retry_counts(row, first + TOKEN_RETRY_COUNTS, token->retry_counts);
	token->data = ow_store_jsonb(row, first + TOKEN_DATA);
	token->kept = ow_store_jsonb(row, first + TOKEN_KEPT);
	token->last_failure = ow_store_jsonb(row, first + TOKEN_LAST_FAILURE);
	token->visits = ow_store_jsonb(row, first + TOKEN_VISITS);
	token->variables = ow_store_jsonb(row, first + TOKEN_VARIABLES);
	token->control = ow_store_jsonb(row, first + TOKEN_CONTROL);
}

/* ---- many rows ---- */

void
ow_rows_add(OwRows *rows, Datum datum)
{
	if (rows->count == rows->capacity)
	{
		rows->capacity = Max(32, rows->capacity * 2);
		rows->datums = rows->datums ? repalloc(rows->datums, rows->capacity * sizeof(Datum)) :
			palloc(rows->capacity * sizeof(Datum));
	}
	rows->datums[rows->count++] = datum;
}

Datum
ow_rows_array(const OwRows *rows, Oid type)
{
	int16		length;
	bool		by_value;
	char		alignment;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	return PointerGetDatum(construct_array(rows->datums, rows->count, type, length, by_value, alignment));
}

void
ow_rows_write(OwStatement *statement, const char *table, const OwRows *rows)
{
	Datum		argument;

	if (rows->count == 0)
		return;
	argument = ow_store_row_array(table, rows->datums, rows->count);
	ow_store_execute(statement, &argument, NULL);
}

uint64
ow_rows_execute_keys(OwStatement *statement, const OwRows *keys, const Oid *types, int count)
{
	Datum		values[4];

	Assert(count <= (int) lengthof(values));
	if (keys[0].count == 0)
		return 0;
	for (int i = 0; i < count; i++)
		values[i] = ow_rows_array(&keys[i], types[i]);
	return ow_store_execute(statement, values, NULL);
}

void
ow_rows_execute_each(OwStatement *statement, const OwRows *arguments, int count)
{
	Datum		values[4];

	Assert(count <= (int) lengthof(values));
	for (int row = 0; row < arguments[0].count; row++)
	{
		for (int i = 0; i < count; i++)
			values[i] = arguments[i].datums[row];
		ow_store_execute(statement, values, NULL);
	}
}

OwParent *
ow_row_read_parent(uint64 row, int first)
{
	OwParent   *parent;
	bool		isnull;

	(void) ow_store_datum(row, first + 1, &isnull);
	if (isnull)
		return NULL;
	parent = palloc(sizeof(OwParent));
	parent->workflow_id = ow_store_text(row, first);
	parent->run_id = ow_store_uuid(row, first + 1);
	parent->owner = (Oid) ow_store_int(row, first + 2);
	return parent;
}

void
ow_row_set_parent(OwRow *row, int first, const OwParent *parent)
{
	ow_row_set_text(row, first, parent ? parent->workflow_id : NULL);
	row->nulls[first + 1] = parent == NULL;
	if (parent != NULL)
		ow_row_set(row, first + 1, UUIDPGetDatum(&parent->run_id));
}
