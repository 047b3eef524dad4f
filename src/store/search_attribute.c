/*
 * search_attribute.c
 *		Rows of search attributes.
 *
 * Each value is a row with a column of its type, since operators of jsonb are not leakproof: under row security they
 * would not use an index.  A row has what decides who may see it, so that it is found without a look at its run.
 * Runs that have any are marked in their options: the others cost nothing.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "machine/json.h"
#include "store/run_columns.h"
#include "store/run_options.h"
#include "store/run_row.h"
#include "store/search_attribute.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static OwStatement insert_attributes = {
	.sql = "INSERT INTO workflow.search_attribute SELECT * FROM unnest($1)",
	.argument_types = "workflow.search_attribute[]"
};

static OwStatement delete_attribute = {
	.sql = "DELETE FROM workflow.search_attribute WHERE shard_key = $1 AND bucket = $2 AND run_id = $3 AND name = $4",
	.argument_types = "int,int2,uuid,text"
};

static OwStatement read_attributes = {
	.sql = "SELECT document FROM workflow.search_document WHERE shard_key = $1 AND bucket = $2 AND run_id = $3",
	.argument_types = "int,int2,uuid"
};

static OwStatement copy_attributes = {
	.sql =
	"INSERT INTO workflow.search_attribute"
	" SELECT shard_key, $4, $5, name, position, workflow_id, $6, owner, started_by, type, keyword_value, text_value,"
	"        int_value, double_value, bool_value, datetime_value"
	"   FROM workflow.search_attribute WHERE shard_key = $1 AND bucket = $2 AND run_id = $3",
	.argument_types = "int,int2,uuid,int2,uuid,int"
};

/* Whose rows they are */
typedef struct Holder
{
	const OwRunRef *ref;
	int			bucket;			/* which the run may have left since it started */
	const char *workflow_id;
	int			definition_id;
	const OwDefinition *definition;
	Oid			owner;
	Oid			started_by;
} Holder;

static void
set_value(OwRow *row, const OwSearchValue *value)
{
	switch (value->attribute->type)
	{
		case OW_SEARCH_KEYWORD:
		case OW_SEARCH_KEYWORD_LIST:
			ow_row_set_text(row, SEARCH_KEYWORD_VALUE, value->text);
			break;
		case OW_SEARCH_TEXT:
			ow_row_set_text(row, SEARCH_TEXT_VALUE, value->text);
			break;
		case OW_SEARCH_INT:
			ow_row_set(row, SEARCH_INT_VALUE, Int64GetDatum(value->number));
			break;
		case OW_SEARCH_DOUBLE:
			ow_row_set(row, SEARCH_DOUBLE_VALUE, Float8GetDatum(value->real));
			break;
		case OW_SEARCH_BOOL:
			ow_row_set(row, SEARCH_BOOL_VALUE, BoolGetDatum(value->truth));
			break;
		case OW_SEARCH_DATETIME:
			ow_row_set(row, SEARCH_DATETIME_VALUE, TimestampTzGetDatum(value->instant));
			break;
	}
}

static Datum
attribute_row(const Holder *holder, const OwSearchValue *value)
{
	OwRow		row;

	memset(&row, 0, sizeof(row));
	memset(row.nulls, true, sizeof(row.nulls));
	ow_row_set(&row, SEARCH_SHARD_KEY, Int32GetDatum(holder->ref->shard_key));
	ow_row_set(&row, SEARCH_BUCKET, Int16GetDatum(holder->bucket));
	ow_row_set(&row, SEARCH_RUN_ID, UUIDPGetDatum(&holder->ref->run_id));
	ow_row_set_text(&row, SEARCH_NAME, value->attribute->name);
	ow_row_set(&row, SEARCH_POSITION, Int16GetDatum(value->position));
	ow_row_set_text(&row, SEARCH_WORKFLOW_ID, holder->workflow_id);
	ow_row_set(&row, SEARCH_DEFINITION_ID, Int32GetDatum(holder->definition_id));
	ow_row_set(&row, SEARCH_OWNER, ObjectIdGetDatum(holder->owner));
	ow_row_set(&row, SEARCH_STARTED_BY, ObjectIdGetDatum(holder->started_by));
	ow_row_set_text(&row, SEARCH_TYPE, ow_search_type_name(value->attribute->type));
	set_value(&row, value);
	return ow_store_row("search_attribute", row.values, row.nulls);
}

/* What the definition does not declare (any more), or of another type, is left out: callers have checked what is new. */
static void
add_rows(const Holder *holder, const Jsonb *attributes, OwRows *rows)
{
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	char	   *name;

	ow_json_as_value(attributes, &object);
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, &value))
	{
		const OwSearchAttribute *attribute = ow_search_attribute_find(holder->definition, name);
		List	   *values = NIL;
		ListCell   *cell;

		if (attribute == NULL || !ow_search_values_read(attribute, &value, &values))
			continue;
		foreach(cell, values)
			ow_rows_add(rows, attribute_row(holder, lfirst(cell)));
	}
}

void
ow_search_attributes_start(const OwNewRun *runs, int count)
{
	OwRows		rows = {0};

	for (int i = 0; i < count; i++)
	{
		const OwNewRun *run = &runs[i];
		Holder		holder = {
			.ref = &run->ref, .bucket = ow_run_id_bucket(&run->ref.run_id), .workflow_id = run->workflow_id,
			.definition_id = run->compiled->definition_id,
			.definition = run->compiled->definition, .owner = run->compiled->owner, .started_by = run->started_by
		};

		if (run->inserted && run->search_attributes != NULL)
			add_rows(&holder, run->search_attributes, &rows);
	}
	ow_rows_write(&insert_attributes, "search_attribute", &rows);
}

static void
delete_changed(const Holder *holder, const Jsonb *changes)
{
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	ignored;
	char	   *name;

	ow_json_as_value(changes, &object);
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, &ignored))
	{
		Datum		values[4] = {
			Int32GetDatum(holder->ref->shard_key), Int16GetDatum(holder->bucket),
			UUIDPGetDatum(&holder->ref->run_id), CStringGetTextDatum(name)
		};

		ow_store_execute(&delete_attribute, values, NULL);
	}
}

/* The run is looked at after the store was closed. */
static void
mark_searchable(OwLoadedRun *loaded)
{
	MemoryContext previous = MemoryContextSwitchTo(ow_store_caller_context());

	loaded->options = ow_run_options_searchable(loaded->options, NULL);
	MemoryContextSwitchTo(previous);
}

void
ow_search_attributes_flush(List *runs)
{
	OwRows		rows = {0};
	ListCell   *cell;

	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);
		const Jsonb *changes = loaded->run.search_changes;
		Holder		holder = {
			.ref = &loaded->ref, .bucket = loaded->bucket, .workflow_id = loaded->run.workflow_id, .definition_id = loaded->definition_id,
			.definition = loaded->compiled->definition, .owner = loaded->owner, .started_by = loaded->started_by
		};

		if (loaded->run.search_attributes != NULL && loaded->run.next_event_id > 1)
			mark_searchable(loaded);	/* history has them */
		if (changes == NULL)
			continue;
		delete_changed(&holder, changes);
		add_rows(&holder, changes, &rows);
		if (!ow_run_options_is_searchable(loaded->options))
			mark_searchable(loaded);
		loaded->run.search_changes = NULL;
	}
	ow_rows_write(&insert_attributes, "search_attribute", &rows);
}

Jsonb *
ow_search_attributes_read(const OwLoadedRun *loaded)
{
	Datum		values[3] = {
		Int32GetDatum(loaded->ref.shard_key), Int16GetDatum(loaded->bucket), UUIDPGetDatum(&loaded->ref.run_id)
	};

	return ow_run_options_is_searchable(loaded->options) && ow_store_execute(&read_attributes, values, NULL) == 1 ?
		ow_store_jsonb(0, 1) : NULL;
}

void
ow_search_attributes_continue(const OwLoadedRun *loaded, const OwLoadedRun *next)
{
	Datum		values[6] = {
		Int32GetDatum(loaded->ref.shard_key), Int16GetDatum(loaded->bucket), UUIDPGetDatum(&loaded->ref.run_id),
		Int16GetDatum(next->bucket), UUIDPGetDatum(&next->ref.run_id), Int32GetDatum(next->definition_id)
	};

	if (ow_run_options_is_searchable(loaded->options))
		ow_store_execute(&copy_attributes, values, NULL);
}
