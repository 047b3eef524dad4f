/*
 * activity_failure.c
 *		Errors of activities as failures: what workflow.throw was given, or the SQL error's condition.
 *
 * A throw can carry any jsonb, so its data does not travel in the error's text: it stays in this
 * backend's memory, and a serial number in the error's datatype_name says which throw it was.  A
 * throw that the function's EXCEPTION block caught is thus never mixed up with an error raised
 * later, and one that is raised again (RAISE without arguments) is still known.  The latest few are
 * kept.
 */
#include "postgres.h"

#include "engine/activity.h"
#include "engine/activity_internal.h"
#include "engine/sqlstate_names.h"
#include "errors.h"
#include "machine/json.h"
#include "utils/memutils.h"

#define TOKEN_PREFIX "workflow.throw "
#define KEPT_THROWS 16

typedef struct KeptThrow
{
	uint64		serial;			/* 0: unused */
	MemoryContext context;
	OwFailure	failure;
} KeptThrow;

static KeptThrow kept[KEPT_THROWS];
static uint64 last_serial;

/* ---- throwing ---- */

static uint64
keep(const OwFailure *failure)
{
	KeptThrow  *slot = &kept[++last_serial % KEPT_THROWS];
	MemoryContext previous;

	if (slot->context == NULL)
		slot->context = AllocSetContextCreate(TopMemoryContext, "order_workflow throw",
											  ALLOCSET_SMALL_SIZES);
	slot->serial = 0;
	MemoryContextReset(slot->context);
	previous = MemoryContextSwitchTo(slot->context);
	slot->failure = *failure;
	slot->failure.error = pstrdup(failure->error);
	slot->failure.cause = failure->cause ? pstrdup(failure->cause) : NULL;
	slot->failure.details = failure->details ? ow_json_copy(failure->details) : NULL;
	MemoryContextSwitchTo(previous);
	slot->serial = last_serial;
	return last_serial;
}

void
ow_activity_throw(const OwFailure *failure)
{
	char		token[64];

	snprintf(token, sizeof(token), TOKEN_PREFIX UINT64_FORMAT, keep(failure));
	ereport(ERROR,
			(errcode(ERRCODE_OW_ACTIVITY_ERROR),
			 failure->cause ? errmsg("%s: %s", failure->error, failure->cause) :
			 errmsg("%s", failure->error),
			 failure->details ? errdetail("%s", ow_json_to_cstring(failure->details)) : 0,
			 err_generic_string(PG_DIAG_DATATYPE_NAME, token)));
	pg_unreachable();
}

/* The throw that an error is; NULL when it is another error */
static const OwFailure *
find_throw(const ErrorData *error)
{
	uint64		serial;

	if (error->sqlerrcode != ERRCODE_OW_ACTIVITY_ERROR || error->datatype_name == NULL ||
		strncmp(error->datatype_name, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) != 0)
		return NULL;
	serial = strtoull(error->datatype_name + strlen(TOKEN_PREFIX), NULL, 10);
	if (serial == 0 || kept[serial % KEPT_THROWS].serial != serial)
		return NULL;
	return &kept[serial % KEPT_THROWS].failure;
}

static void
copy_failure(const OwFailure *source, OwFailure *failure)
{
	*failure = *source;
	failure->error = pstrdup(source->error);
	failure->cause = source->cause ? pstrdup(source->cause) : NULL;
	failure->details = source->details ? ow_json_copy(source->details) : NULL;
}

/* ---- SQL errors ---- */

/* The error name of a SQL error.  An SQLSTATE without a condition name stands for itself. */
static const char *
error_name(const ErrorData *error)
{
	const char *sqlstate = unpack_sql_state(error->sqlerrcode);

	if (error->sqlerrcode == ERRCODE_OW_INVALID_INPUT)
		return OW_ERROR_INVALID_INPUT;
	if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE && error->datatype_name != NULL &&
		strcmp(error->datatype_name, OW_PERMISSIONS_TOKEN) == 0)
		return OW_ERROR_PERMISSIONS;
	for (size_t i = 0; i < lengthof(sqlstate_names); i++)
	{
		if (strcmp(sqlstate_names[i].sqlstate, sqlstate) == 0)
			return sqlstate_names[i].name;
	}
	return sqlstate;
}

Jsonb *
ow_error_details(const ErrorData *error)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "sqlstate", unpack_sql_state(error->sqlerrcode));
	ow_object_add_text(&object, "detail", error->detail);
	ow_object_add_text(&object, "hint", error->hint);
	ow_object_add_text(&object, "context", error->context);
	ow_object_add_text(&object, "schema", error->schema_name);
	ow_object_add_text(&object, "table", error->table_name);
	ow_object_add_text(&object, "column", error->column_name);
	ow_object_add_text(&object, "constraint", error->constraint_name);
	return ow_object_end(&object);
}

void
ow_activity_failure(const ErrorData *error, OwFailure *failure)
{
	const OwFailure *thrown = find_throw(error);

	if (thrown != NULL)
	{
		copy_failure(thrown, failure);
		return;
	}
	*failure = (OwFailure) {
		.error = pstrdup(error_name(error)),
		.cause = pstrdup(error->message ? error->message : ""),
		.details = ow_error_details(error),
		/* the input is the same for every attempt */
		.non_retryable = error->sqlerrcode == ERRCODE_OW_INVALID_INPUT,
		.next_retry_delay_ms = OW_UNSET
	};
}
