/*
 * run.h
 *		Rows of runs: loading a batch with its locks, writing a batch back.
 *
 * Lock order: the run's row first, its children in later statements (one statement would show stale
 * children).  Between ow_store_open and ow_store_close, but for ow_run_bind.
 */
#ifndef OW_RUN_H
#define OW_RUN_H

#include "engine/engine.h"
#include "machine/machine.h"
#include "store/catalog.h"

/* A request read from workflow.message */
typedef struct OwMessage
{
	pg_uuid_t	message_id;
	OwInputKind kind;
	char	   *reason;
	char	   *sent_by;
	int			definition_id;	/* Retry: move to this definition; 0: stay */
	pg_uuid_t	task_token;		/* ACTIVITY_COMPLETED and _FAILED: what is answered */
	TimestampTz sent_at;
	Jsonb	   *payload;
	bool		taken;			/* on flush: the run has taken it in */
	bool		handed_over;	/* by the session that sends it: it has no row */
} OwMessage;

/* Of a child: whom to tell that it has closed */
typedef struct OwParent
{
	char	   *workflow_id;
	pg_uuid_t	run_id;
	Oid			owner;			/* InvalidOid: it has been told */
} OwParent;

/* A loaded run: the machine's state, and what only the shell knows */
typedef struct OwLoadedRun
{
	OwRun		run;
	OwRunRef	ref;
	int			definition_id;
	const OwCompiled *compiled; /* set by ow_run_bind */
	char	   *state_name;		/* as loaded */
	int			bucket;
	Oid			owner;
	Oid			started_by;
	Jsonb	   *memo;
	char	   *request_id;
	pg_uuid_t	chain_id;
	TimestampTz execution_deadline; /* of all runs that continue one another; DT_NOEND */
	Jsonb	   *options;		/* run_options.h */
	OwParent   *parent;			/* NULL: it is no child */
	bool		children;		/* it, or a run that it continues, has started some */
	const OwCompiled *next;		/* what the run that continues this one follows */
	bool		replaced;		/* on flush: a reset puts another run in its place */
	bool		ready;			/* on flush: has more to do at once */
	bool		updates;		/* updates have been sent: their rows are the chain's */
	int			crashes;		/* server crashes while its activity ran */
	List	   *messages;		/* of OwMessage *, in the order sent */
	int			stored_signals; /* how many signals are buffered in rows */
	TimestampTz stored_due_at;	/* the timers that have rows */
	TimestampTz stored_deadline;
	const Jsonb *stored_data;	/* the token's documents, as loaded */
	const Jsonb *stored_kept;
	const Jsonb *stored_variables;
	int			stored_compensation;	/* run.last_compensation when loaded */
	int			stored_branch_id;	/* next_branch_id when loaded */
	List	   *stored_tasks;	/* of pg_uuid_t *: task tokens that have rows */
	List	   *due_leases;		/* of pg_uuid_t *: those whose lease may be over now, by their rows */
	int			stored_event_id;	/* next_event_id when loaded */
	List	   *events;			/* of OwHistoryEvent *, still to be written */
} OwLoadedRun;

/*
 * Lock and load what can be locked.  Refs whose row is locked by another transaction come back in
 * *contended (a list of OwRunRef *), refs that have no open row in *absent: they have closed, or are no runs yet.
 * Everything is allocated in context.
 */
extern List *ow_run_load(const OwRunRef *refs, int count, List **contended, List **absent, MemoryContext context);

/* …or lock them one after the other, in this order, as soon as other transactions let go of them. */
extern List *ow_run_load_waiting(const OwRunRef *refs, int count, MemoryContext context);

/* Resolve the definition and what depends on it; outside a store section. */
extern void ow_run_bind(OwLoadedRun *loaded);

/* What drives it from there, in the current memory context */
extern OwMachine ow_run_machine(OwLoadedRun *loaded, const OwHost *host);

/* Move the run to another definition of its workflow, if that has the run's state. */
extern void ow_run_move(OwLoadedRun *loaded, OwMachine *machine, int definition_id);

/* Write everything back, one statement per table, and owe the wake-ups that follow from it. */
extern void ow_run_flush(List *runs);

/* Insert a run that is in memory only, with all that hangs on it; false: its workflow id has an open run. */
extern bool ow_run_insert(OwLoadedRun *loaded);

/* Ids of signals and updates count again, for a run that comes of the reset of a closed one. */
extern void ow_run_recall(const OwLoadedRun *loaded);

/*
 * Send a run that comes of a reset what its base, if that was open (else NULL), was told and has not taken in, and what
 * its base had been told in these events.
 */
extern void ow_run_tell_again(OwLoadedRun *base, List *events, const OwLoadedRun *loaded);

/* Outputs of ended branches that have rows: fills outputs[index]. */
extern void ow_run_read_outputs(const OwRunRef *ref, int parent, Jsonb **outputs, int count);

/* More of its recorded compensations that have rows, the last ones first: see OwHost. */
extern void ow_run_load_compensations(OwLoadedRun *loaded);

/* The open run as it is, without its branches and whatever else hangs on it, not locked; NULL when it has closed. */
extern OwLoadedRun *ow_run_read_open(const OwRunRef *ref, MemoryContext context);

/* The run as it was when it started, not locked; NULL when there is none. */
extern OwLoadedRun *ow_run_read_started(const OwRunRef *ref, MemoryContext context);

/* Its history, a list of OwHistoryEvent * */
extern List *ow_run_read_history(const OwRunRef *ref, MemoryContext context);

/* The run as a row of workflow.execution */
extern Datum ow_run_row(const OwLoadedRun *loaded);

/* Shall the run, which has failed, be tried again?  One that could not undo what it did waits for somebody to see to that. */
extern bool ow_run_may_retry(const OwLoadedRun *loaded, OwRetryQuestion *question, OwRetryAnswer *answer);

/* Bring a closed run with failed compensations back, ready to run them again. */
extern void ow_run_reopen(const OwRunRef *ref, int bucket);

#endif							/* OW_RUN_H */
