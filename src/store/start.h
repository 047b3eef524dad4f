/*
 * start.h
 *		Inserting new runs.
 */
#ifndef OW_START_H
#define OW_START_H

#include "engine/engine.h"
#include "store/catalog.h"

typedef struct OwNewRun
{
	OwRunRef	ref;
	char	   *workflow_id;
	const OwCompiled *compiled;
	Oid			started_by;
	TimestampTz started_at;
	TimestampTz deadline;		/* DT_NOEND: none */
	TimestampTz execution_deadline; /* of the runs that continue it, too; DT_NOEND: none */
	TimestampTz start_at;		/* > started_at: start_delay, a timer wakes it */
	Jsonb	   *input;
	Jsonb	   *memo;			/* may be NULL */
	char	   *request_id;		/* may be NULL */
	char	   *traceparent;	/* may be NULL */
	Jsonb	   *options;		/* run_options.h; may be NULL */
	Jsonb	   *schedule;		/* may be NULL */
	const struct OwParent *parent;	/* NULL: it is no child */
	Jsonb	   *search_attributes;	/* checked; may be NULL */
	bool		inserted;		/* out: false when the workflow id has an open run */
} OwNewRun;

/*
 * Insert the runs, one statement; conflicting workflow ids are left out (inserted = false).
 * Does the wake-ups of those inserted.  Opens the store itself.
 */
extern void ow_start_runs(OwNewRun *runs, int count);

/* shard key of a workflow id: its hash; for the text of a run id (uuid v7), what is embedded in it */
extern int32 ow_shard_key(const char *workflow_id);

/* A time-ordered uuid (version 7) that embeds shard key and bucket; always the real clock */
extern void ow_run_id_make(int32 shard_key, int bucket, pg_uuid_t *run_id);

/* A run id that is its own workflow id: the shard key is random and embedded */
extern void ow_run_id_make_own(int bucket, pg_uuid_t *run_id, int32 *shard_key);

/* A task token: random, so that nobody can guess it (version 8), but for the shard key that it begins with */
extern void ow_task_token_make(int32 shard_key, bool queued, pg_uuid_t *task_token);
extern bool ow_task_token_is_queued(const pg_uuid_t *task_token);
extern int32 ow_task_token_shard_key(const pg_uuid_t *task_token);

extern int32 ow_run_id_shard_key(const pg_uuid_t *run_id);

/* The leaf that the run started in, which it may have left: see retention.h */
extern int	ow_run_id_bucket(const pg_uuid_t *run_id);

/* Leaf of the history ring for a run of the workflow that is started then */
extern int	ow_bucket_for(const char *workflow, TimestampTz started_at);

#endif							/* OW_START_H */
