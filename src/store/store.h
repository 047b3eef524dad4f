/*
 * store.h
 *		The one door to the extension's tables: kept SPI plans, run as the extension's owner.
 *
 * SQL text lives in src/store and nowhere else.  Between ow_store_open and ow_store_close the
 * session's user is the owner of the tables (row security does not apply to it), the search path is
 * pg_catalog alone, and plans are generic and index-driven whatever statistics say.  No user code may
 * run in between.  Nesting is not allowed.  On error everything is put back by the abort of the
 * (sub)transaction, as for referential-integrity triggers.
 */
#ifndef OW_STORE_H
#define OW_STORE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#define OW_STATEMENT_MAX_ARGS 24

/*
 * A statement prepared on first use and kept for the life of the backend.  argument_types is a
 * comma-separated list of SQL types, schema-qualified where not in pg_catalog:
 * "int[], uuid[], workflow.execution[]".
 */
typedef struct OwStatement
{
	const char *sql;
	const char *argument_types;
	SPIPlanPtr	plan;			/* filled by ow_store_execute */
	Oid			plan_for;		/* workflow.execution then: CREATE EXTENSION anew makes new types */
} OwStatement;

extern void ow_store_open(void);
extern void ow_store_close(void);
extern bool ow_store_is_open(void);
extern Oid	ow_store_owner(void);	/* owner of the extension's tables */
extern Oid	ow_store_relation(const char *name);	/* workflow.<name>; InvalidOid when missing */

/*
 * Execute; rows are in SPI_tuptable, the count is returned.  nulls as for SPI_execute_plan, NULL
 * when there are none.  Statements that return rows from UPDATE … RETURNING count as well.
 */
extern uint64 ow_store_execute(OwStatement *statement, Datum *values, const char *nulls);

/* Where what outlives the store is allocated: the context that was current before ow_store_open */
extern MemoryContext ow_store_caller_context(void);

/* Column of a result row, copied into the caller's context */
extern Datum ow_store_datum(uint64 row, int column, bool *isnull);
extern char *ow_store_text(uint64 row, int column); /* NULL when null */
extern Jsonb *ow_store_jsonb(uint64 row, int column);	/* NULL when null */
extern int32 ow_store_int(uint64 row, int column);	/* also smallint, oid, reg… types; 0 when
													 * null */
extern bool ow_store_bool(uint64 row, int column);	/* false when null */
extern TimestampTz ow_store_time(uint64 row, int column);	/* DT_NOEND when null */
extern pg_uuid_t ow_store_uuid(uint64 row, int column); /* must not be null */

/* Rows handed to writers: a tuple of workflow.<table> from values by column position */
extern Datum ow_store_row(const char *table, Datum *values, bool *nulls);

/* …and an array of such rows, for unnest($1) */
extern Datum ow_store_row_array(const char *table, Datum *rows, int count);
extern Datum ow_store_int_array(const int32 *values, int count);
extern Datum ow_store_uuid_array(const pg_uuid_t *values, int count);

#endif							/* OW_STORE_H */
