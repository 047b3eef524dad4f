/*
 * find.h
 *		Finding a run for the SQL API, open or closed, and sending it a message.
 *
 * Each call looks with a snapshot of its own (but for REPEATABLE READ and above), takes no locks (but ow_find_task),
 * and opens the store itself.  Whether the caller may see the run is for the caller to check.
 */
#ifndef OW_FIND_H
#define OW_FIND_H

#include "engine/engine.h"
#include "machine/machine.h"
#include "store/epoch.h"

typedef struct OwFoundRun
{
	OwRunRef	ref;
	int			bucket;
	char	   *workflow_id;
	char	   *workflow;
	int			version;
	Oid			owner;
	Oid			started_by;
	bool		open;
	bool		uncommitted;	/* open, and written by this very transaction */
	bool		cancel_requested;
	bool		continued;		/* closed, and another run goes on in its place */
	OwStatus	status;
	TimestampTz started_at;
	TimestampTz closed_at;		/* DT_NOEND while open */
	Jsonb	   *output;
	char	   *error;
	char	   *cause;
	Jsonb	   *public_error;
	char	   *request_id;
	pg_uuid_t	chain_id;
} OwFoundRun;

/* All of these: NULL when there is none */

/* The open run of a workflow id, else its latest */
extern OwFoundRun *ow_find_workflow(const char *workflow_id);
extern OwFoundRun *ow_find_run(const pg_uuid_t *run_id);
extern OwFoundRun *ow_find_open(const char *workflow_id);
extern OwFoundRun *ow_find_last_closed(const char *workflow_id);

/* The run that a start with this request id made; workflow_id NULL: with an id of its own */
extern OwFoundRun *ow_find_request(int32 shard_key, const char *workflow_id, const char *workflow,
								   const char *request_id);

/* The run that followed by continue-as-new, last of the chain so far */
extern OwFoundRun *ow_find_continuation(const OwFoundRun *run);

/* Keep others from using the same request id until the transaction ends */
extern void ow_find_lock_request(int32 shard_key, const char *request_id);

/* Is the workflow id free, or about to be, as its run is a child that an earlier run of this parent has left behind, and is closing? */
extern bool ow_find_id_gets_free(int32 shard_key, const char *workflow_id, const char *parent_workflow_id,
								 const pg_uuid_t *parent_run_id);

extern bool ow_find_has_failed_compensations(const OwFoundRun *run);

/* Is an open run at an activity in one of these states (text[]), or at a compensation by or of that name? */
extern bool ow_find_is_pending(const OwFoundRun *run, Datum states, const char *name);

/*
 * Insert a message for an open run, and wake the executor of its owner.  False when there is one of that
 * id already (NULL: a new one).
 */
extern bool ow_message_send(const OwFoundRun *run, const char *kind, const pg_uuid_t *message_id, Jsonb *payload,
							Oid sender);

/* …without waking anybody, for one who sees to that himself */
extern bool ow_message_store(const OwRunRef *run, Oid owner, const char *kind, const pg_uuid_t *message_id,
							 Jsonb *payload, Oid sender);

/* Lock the run until the transaction ends, so that it does not close meanwhile (but see may_lock_run); is it open? */
extern bool ow_find_lock_open(const OwFoundRun *run);

/* Note the request id of a signal; false when its chain of runs knows it already. */
extern bool ow_signal_request_note(const OwFoundRun *run, const char *request_id);

/* A task token, and the run that waits for its answer */
typedef struct OwFoundTask
{
	OwTaskClaim held;
	bool		found;
	OwRunRef	run;			/* if found */
} OwFoundTask;

/* Find the runs of many task tokens, without locking them. */
extern void ow_find_tasks(OwFoundTask *tasks, int count);

/*
 * The run that has given this task token away; false when nobody waits for its answer.  The run's row is
 * locked, so that none of other answers and its timeout can come in between (but see may_lock_run).
 */
extern bool ow_find_task(const OwTaskClaim *held, OwRunRef *run, Oid *owner);

#endif							/* OW_FIND_H */
