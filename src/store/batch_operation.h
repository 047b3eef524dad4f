/*
 * batch_operation.h
 *		Rows of batch operations: the runs they are for, in chunks, and what has become of them.
 *
 * Each call opens the store itself.  Whose operation it is, is for the caller to check.
 */
#ifndef OW_BATCH_OPERATION_H
#define OW_BATCH_OPERATION_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

typedef struct OwBatchOperation
{
	pg_uuid_t	batch_id;
	Oid			owner;
	char	   *operation;
	char	   *condition;		/* not read back */
	Jsonb	   *arguments;
	char	   *reason;			/* may be NULL */
	bool		dry_run;
	int			chunk_size;
	double		rate_per_second;	/* 0: as fast as it goes */
	bool		canceled;
} OwBatchOperation;

/* Runs to be done in one transaction */
typedef struct OwBatchChunk
{
	int			chunk;
	Datum		run_ids;		/* uuid[] */
} OwBatchChunk;

/* Insert an operation that is for these runs; fills batch_id. */
extern void ow_batch_operation_insert(OwBatchOperation *batch, const pg_uuid_t *run_ids, int64 count);

/* False when there is none of that id */
extern bool ow_batch_operation_find(const pg_uuid_t *batch_id, OwBatchOperation *batch);

/* Lock the first chunk that is not done and that nobody else has locked; false when there is none. */
extern bool ow_batch_chunk_take(const pg_uuid_t *batch_id, OwBatchChunk *chunk);

/*
 * Mark a chunk done; errors is an array of {run_id, sqlstate, message, detail}.  False when it was done before, or is no
 * chunk.
 */
extern bool ow_batch_chunk_finish(const pg_uuid_t *batch_id, int chunk, Jsonb *errors);

/* False when it has been canceled before, or is over */
extern bool ow_batch_operation_cancel(const pg_uuid_t *batch_id, Oid role);

/*
 * Remove one that is over, with what is known of it; false when runs are left to be done.  Waits for whoever is at a chunk of
 * one that was canceled meanwhile.
 */
extern bool ow_batch_operation_delete(const pg_uuid_t *batch_id);

#endif							/* OW_BATCH_OPERATION_H */
