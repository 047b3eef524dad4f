/*
 * run_row.h
 *		Rows of runs and what hangs on them, built and read column by column (run_columns.h).
 */
#ifndef OW_RUN_ROW_H
#define OW_RUN_ROW_H

#include "machine/machine.h"
#include "store/run_columns.h"
#include "store/store.h"

/* Values of one row being built: memset to 0, all of its columns set, then ow_store_row */
typedef struct OwRow
{
	Datum		values[EXECUTION_COLUMNS];	/* the widest */
	bool		nulls[EXECUTION_COLUMNS];
} OwRow;

extern void ow_row_set(OwRow *row, int column, Datum value);
extern void ow_row_set_text(OwRow *row, int column, const char *value); /* null when NULL */
extern void ow_row_set_json(OwRow *row, int column, const Jsonb *value);	/* null when NULL */
extern void ow_row_set_time(OwRow *row, int column, TimestampTz value); /* null when DT_NOEND */

/* A token's columns from the first on; without its documents those stay null */
extern void ow_row_set_token(OwRow *row, int first, const OwToken *token, const OwDefinition *definition,
							 bool documents);

/* The same of a result row, counted from 0; its state stays OW_NO_STATE until its name is resolved */
extern void ow_row_read_token(uint64 row, int first, OwToken *token);

/* The parent, from three columns counted from 1; NULL: the row has none */
struct OwParent;
extern struct OwParent *ow_row_read_parent(uint64 row, int first);

/* Its workflow id and run id; nulls when there is none */
extern void ow_row_set_parent(OwRow *row, int first, const struct OwParent *parent);

/* Growing array of rows, or of the values of one column of many */
typedef struct OwRows
{
	Datum	   *datums;
	int			count;
	int			capacity;
} OwRows;

extern void ow_rows_add(OwRows *rows, Datum datum);

/* They as an array, none of them null */
extern Datum ow_rows_array(const OwRows *rows, Oid type);

/* Executes the statement, whose one argument is an array of the table's rows, unless there are none. */
extern void ow_rows_write(OwStatement *statement, const char *table, const OwRows *rows);

/* Executes the statement with these columns of the keys as arrays, unless there are none; how many rows it has found. */
extern uint64 ow_rows_execute_keys(OwStatement *statement, const OwRows *keys, const Oid *types, int count);

/* Executes the statement for each row, with its arguments from as many arrays. */
extern void ow_rows_execute_each(OwStatement *statement, const OwRows *arguments, int count);

#endif							/* OW_RUN_ROW_H */
