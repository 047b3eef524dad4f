/*
 * machine.h
 *		The pure core: (definition, execution state, event) -> (state', history events, what next).
 *
 * The shell (src/engine) loads an OwRun, feeds events and does what each step asks for:
 *
 *		step = ow_machine_step(machine, &(OwInput) {.kind = OW_INPUT_CONTINUE, …});
 *		while (step == OW_STEP_ACTIVITY)
 *			step = ow_machine_step(machine, run the activity in machine->call, feed its outcome);
 *
 * Time comes in with the event; activity registrations and $$ data come from the OwRun and the OwHost;
 * random numbers are derived from the run and where it stands, so that replay draws them again.  There
 * is no SPI, no catalog, no clock and no lock in here.  Everything produced is allocated in
 * machine->context.
 */
#ifndef OW_MACHINE_H
#define OW_MACHINE_H

#include "datatype/timestamp.h"
#include "machine/definition.h"
#include "machine/retry.h"
#include "utils/uuid.h"

typedef enum OwStatus
{
	OW_STATUS_RUNNING,
	OW_STATUS_PAUSED,
	OW_STATUS_STUCK,
	OW_STATUS_COMPLETED,
	OW_STATUS_FAILED,
	OW_STATUS_CANCELED,
	OW_STATUS_TERMINATED,
	OW_STATUS_TIMED_OUT,
	OW_STATUS_CONTINUED_AS_NEW
} OwStatus;

extern const char *ow_status_name(OwStatus status);
extern OwStatus ow_status_from_name(const char *name);

/* Where a token stands within its state */
typedef enum OwPhase
{
	OW_PHASE_NEW,				/* nothing happened yet */
	OW_PHASE_ENTER,				/* about to enter token.state */
	OW_PHASE_ACTIVITY,			/* an attempt is scheduled and may run now */
	OW_PHASE_BACKOFF,			/* the next attempt waits for token.due_at */
	OW_PHASE_CIRCUIT_OPEN,		/* the attempt that is scheduled does: see machine_circuit.c */
	OW_PHASE_WAIT,				/* a Wait state, until token.due_at */
	OW_PHASE_COMPENSATE,		/* an attempt of compensation token.compensation may run now */
	OW_PHASE_COMPENSATE_BACKOFF,
	OW_PHASE_COMPENSATE_CIRCUIT_OPEN,
	OW_PHASE_EXIT,				/* a stored result waits to be evaluated (after a stuck transition) */
	OW_PHASE_CALLBACK,			/* the activity has run; its task token waits for an answer */
	OW_PHASE_BRANCHES,			/* branches of a Parallel or Map run, or can be opened */
	OW_PHASE_QUEUED,			/* an attempt is in its task queue, or somebody outside is at it */
	OW_PHASE_COMPENSATE_QUEUED, /* the same of compensation token.compensation */
	OW_PHASE_AWAIT,				/* an Await state: until a signal comes, or token.due_at */
	OW_PHASE_REQUEST,			/* another workflow is asked for something, or a child runs */
	OW_PHASE_CLOSED
} OwPhase;

extern const char *ow_phase_name(OwPhase phase);
extern OwPhase ow_phase_from_name(const char *name);

typedef struct OwSpread OwSpread;

/* Whoever has taken a queued task: of the task's own row, no part of the run's state */
typedef struct OwLease
{
	TimestampTz started_at;
	TimestampTz beat_at;		/* of the last heartbeat; DT_NOBEGIN: none has come */
	Jsonb	   *details;		/* of the last heartbeat; NULL */
	bool		released;		/* taken in time, but put back: nobody has it now */
	int			claim;			/* which the tokens of those who had it before are not of */
} OwLease;

/* One thread of control: the run's own, and one for each branch of a Parallel or item of a Map */
typedef struct OwToken
{
	int			state;			/* index, or OW_NO_STATE */
	OwPhase		phase;
	Jsonb	   *data;			/* raw input of the state */
	TimestampTz entered_at;
	TimestampTz scheduled_at;	/* when the task's first attempt was scheduled */
	TimestampTz due_at;			/* DT_NOEND when no timer runs */
	int			attempt;		/* of the activity, compensation or whole Parallel or Map, from 1 */
	int			retry_counts[OW_MAX_RETRIERS];
	int			transitions;	/* states entered since it last waited or ran an activity */
	Jsonb	   *last_failure;	/* of the attempt before: {Error, Cause, Details} */
	int			compensation;	/* sequence of the one that runs, 0 when none */
	Jsonb	   *kept;			/* EXIT: the stored result; CALLBACK: the timer that runs; QUEUED:
								 * {"Task": what it is queued with}; REQUEST: {"Request": what is
								 * asked of whom}, see machine_workflow.c; BRANCHES: what is
								 * spread, see machine_spread.c; of a SQL state these two, and what
								 * the task is called with, see machine_sql.c */
	OwSpread   *spread;			/* the same unpacked, once asked for: valid while it is of kept */
	int			opened;			/* BRANCHES: how many were opened */
	int			failed;			/* BRANCHES: how many failed and were tolerated */
	int			running;		/* BRANCHES: how many of its own run; see ow_machine_count_running */
	bool		failing;		/* BRANCHES: one of them fails, and the state with it */
	Jsonb	   *visits;			/* {state: times entered} as loaded; NULL: none */
	int		   *visit_counts;	/* the same by state index, once one was counted; ow_machine_visits */
	Jsonb	   *variables;		/* {name: value}, from Assign in this scope; NULL: none */
	Jsonb	   *control;		/* what operators have asked of the task, see machine_control.c;
								 * NULL: nothing */
	bool		task_changed;	/* the row that its task has must be updated at flush */
	bool		has_task_token; /* of an attempt that somebody will answer for */
	pg_uuid_t	task_token;
	OwLease    *lease;			/* QUEUED: as loaded; NULL: nobody has taken the task */
} OwToken;

/* What a run asks of another workflow: leaves with its transaction, as a message */
typedef struct OwRequest
{
	OwRequestKind kind;
	pg_uuid_t	id;				/* what answers name; of a child, the id of its first run */
	char	   *workflow;		/* of a child */
	int			version;
	char	   *workflow_id;	/* whose run is asked, or started */
	OwParentClosePolicy policy; /* of a child */
	const char *state;
	TimestampTz at;
	Jsonb	   *payload;		/* the message's */
	Oid			receiver;		/* the shell's: whose executors take it in */
} OwRequest;

typedef enum OwBranchStatus
{
	OW_BRANCH_RUNNING,
	OW_BRANCH_COMPLETED,
	OW_BRANCH_FAILED			/* and its failure was tolerated */
} OwBranchStatus;

extern const char *ow_branch_status_name(OwBranchStatus status);

/* A branch of a Parallel, or the iteration of a Map over one item (or batch) */
typedef struct OwBranch
{
	int			id;				/* from 1, in the order opened */
	int			parent;			/* branch whose token stands in the Parallel or Map; 0: the run's
								 * own */
	int			index;			/* of the branch or item, from 0 */
	char	   *state_name;		/* as loaded; resolved by the shell */
	char	   *path;			/* "Ship:1:17/Pack:2:0": state, its visit, index; from the outside
								 * in */
	OwToken		token;
	OwBranchStatus status;
	Jsonb	   *output;			/* once it has ended */
	Jsonb	   *failure;		/* why it fails, while its compensations run */
	bool		tolerated;		/* only this branch fails, not the whole Map */
	bool		stored;			/* has a row already */
	bool		dirty;			/* must be written at flush, if it still runs */
	Jsonb	   *visible;		/* variables of this scope and those around it, once asked for */
} OwBranch;

typedef enum OwCompensationStatus
{
	OW_COMPENSATION_RECORDED,
	OW_COMPENSATION_COMPLETED,
	OW_COMPENSATION_FAILED,
	OW_COMPENSATION_DROPPED		/* nothing happened after all: its row, if any, goes */
} OwCompensationStatus;

extern const char *ow_compensation_status_name(OwCompensationStatus status);
extern OwCompensationStatus ow_compensation_status_from_name(const char *name);

/* A compensation recorded by a completed (or scheduled) task; input evaluated then */
typedef struct OwRecordedCompensation
{
	int			sequence;		/* from 1, in the order recorded */
	char	   *branch;			/* path of the branch that recorded it; NULL: none */
	char	   *state;			/* the forward state; its Compensate has the options */
	char	   *activity;
	TimestampTz recorded_at;
	TimestampTz closed_at;		/* DT_NOEND while it has not ended */
	Jsonb	   *input;
	Jsonb	   *compensates;	/* {state, input, result, idempotency_key} */
	OwCompensationStatus status;
	int			attempts;
	Jsonb	   *failure;		/* last {Error, Cause, Details} */
	bool		stored;			/* has a row already */
	bool		dirty;			/* must be written at flush */
} OwRecordedCompensation;

/* A signal that has come, and no Await state has consumed */
typedef struct OwBufferedSignal
{
	int			event_id;		/* of its WorkflowExecutionSignaled */
	char	   *name;
	Jsonb	   *payload;		/* JSON null: none */
	TimestampTz sent_at;
	char	   *sent_by;		/* may be NULL */
	char	   *update_id;		/* it is an update, accepted by that event; NULL: a signal */
	bool		answered;		/* the update has completed */
	bool		stored;			/* has a row already */
} OwBufferedSignal;

typedef enum OwUpdateStatus
{
	OW_UPDATE_ACCEPTED,			/* and buffered */
	OW_UPDATE_COMPLETED,
	OW_UPDATE_REJECTED,
	OW_UPDATE_FAILED			/* it was accepted, and then … */
} OwUpdateStatus;

extern const char *ow_update_status_name(OwUpdateStatus status);

/* What has become of an update */
typedef struct OwUpdateOutcome
{
	const OwBufferedSignal *update;
	char	   *update_id;		/* its */
	OwUpdateStatus status;
	int			event_id;		/* of its WorkflowExecutionUpdateAccepted; 0: rejected */
	TimestampTz time;
	Jsonb	   *result;			/* COMPLETED */
	Jsonb	   *failure;		/* REJECTED, FAILED: {Error, Cause, Public} */
} OwUpdateOutcome;

/* How the run will close once its remaining compensations have run */
typedef struct OwOutcome
{
	bool		decided;
	OwStatus	status;
	Jsonb	   *output;
	char	   *error;
	char	   *cause;
	Jsonb	   *public_error;	/* {Code, Message} */
	bool		non_retryable;	/* an activity has said so of the failure: the run is not retried
								 * either */
	Jsonb	   *next_input;		/* of the run that continues this one; NULL: none does */
	pg_uuid_t	next_run_id;
	int			next_version;
	OwRetryAnswer retry;		/* of the run that has failed: when the next begins */
} OwOutcome;

/* The materialised state of a run: what the execution row holds */
typedef struct OwRun
{
	int32		shard_key;
	pg_uuid_t	run_id;
	pg_uuid_t	root_run_id;	/* first run of its retry and reset lineage: idempotency keys */
	char	   *workflow_id;
	char	   *workflow;		/* name of the workflow type */
	char	   *owner;			/* name of the role it runs as; NULL: there is none any more */
	char	   *traceparent;	/* as given to who started it; NULL */
	Jsonb	   *schedule;		/* that started it: {Name, ScheduledTime}; NULL */
	int			version;
	int			attempt;		/* of the workflow, from 1: a run that fails may be retried */
	int			priority;		/* of its queued tasks that set none; 0: none either */
	TimestampTz started_at;
	TimestampTz deadline;		/* run or execution timeout; DT_NOEND */
	Jsonb	   *input;
	OwStatus	status;
	OwToken		token;			/* its own thread of control */
	List	   *branches;		/* of OwBranch *, those that run, by id */
	List	   *ended_branches; /* of OwBranch *: their outputs are still wanted */
	List	   *gone_branches;	/* of ids of branches that had a row and run no more */
	List	   *gathered;		/* of ids of parents whose branches are all over: stored outputs go */
	List	   *queued;			/* of OwQueuedTask *, handed to task queues since it was loaded */
	List	   *requests;		/* of OwRequest *, made since it was loaded */
	List	   *closed_children;	/* of pg_uuid_t *: their requests; they need not be closed with
									 * it */
	List	   *signals;		/* of OwBufferedSignal *, in the order in which they came */
	List	   *consumed_signals;	/* of the event ids of those that had a row: it goes */
	List	   *update_outcomes;	/* of OwUpdateOutcome *, since it was loaded */
	Jsonb	   *updated;		/* variables from updates, until the state is left; NULL: none */
	Jsonb	   *search_attributes;	/* {name: value} that it starts with, until history has them;
									 * NULL: none */
	Jsonb	   *search_changes; /* {name: value or null} since it was loaded; NULL: none */
	bool		signal_requests;	/* signals with a request id have come */
	int			next_branch_id; /* from 1 */
	int			next_event_id;	/* from 1 */
	Jsonb	   *error;			/* $$.Execution.Error, NULL until OnError/OnCancel/OnTimeout */
	Jsonb	   *changes;		/* {change id: version} that Version states have chosen; NULL: none */
	bool		handler_taken;	/* OnError, OnCancel or OnTimeout was entered: never again */
	OwStatus	sticky_status;	/* CANCELED or TIMED_OUT after OnCancel/OnTimeout; else RUNNING */
	bool		cancel_requested;
	OwOutcome	outcome;
	Jsonb	   *stuck;			/* {Error, Cause, State, Field} while status is STUCK */
	Jsonb	   *paused;			/* {paused_at, paused_by, reason}; NULL: it is not.  See
								 * machine_pause.c */
	List	   *compensations;	/* of OwRecordedCompensation *, by sequence: still to run */
	List	   *ended_compensations;	/* those that are over: to be written, or to go */
	int			last_compensation;	/* sequence of the one recorded last; 0: none was */
	int			unloaded_compensations; /* up to this sequence they are not in memory; 0: all are */
} OwRun;

/* What the machine needs to know of a registered activity */
typedef enum OwActivityKind
{
	OW_ACTIVITY_SQL,			/* runs in the transaction of the transition */
	OW_ACTIVITY_QUEUE			/* handed to programs outside */
} OwActivityKind;

typedef struct OwActivity
{
	char	   *name;
	OwActivityKind kind;
	OwTaskOptions options;		/* as registered */
	bool		quarantined;	/* crashed the server too often: not run until released */
	bool		missing;		/* registered, but its function is gone */
	void	   *shell;			/* the engine's own data; opaque here */
} OwActivity;

/* An attempt that is about to be made, or has ended */
typedef struct OwAttempt
{
	const OwActivity *activity;
	int			branch;			/* whose it is; 0: the run's own */
	TimestampTz now;
} OwAttempt;

/* Why an attempt is not made now: its activity's circuit breaker is open */
typedef struct OwRejection
{
	OwFailure	failure;
	TimestampTz retry_at;		/* when to ask again … */
	int64		spread_ms;		/* … or up to so much later, lest all come at once */
	bool		outside;		/* it would have been put into a task queue */
	const OwRetryAnswer *recorded;	/* replay: what was decided then; NULL when live */
} OwRejection;

typedef struct OwHost
{
	/* NULL when no such activity is registered */
	const OwActivity *(*find_activity) (void *arg, const OwRun *run, const char *name);

	/* Fills outputs[index] of those of the parent's branches whose output has a row. */
	void		(*read_outputs) (void *arg, int parent, Jsonb **outputs, int count);

	/*
	 * Puts stored compensations, the last ones that are not in memory, before run->compensations,
	 * and lowers run->unloaded_compensations to what is left.
	 */
	void		(*load_compensations) (void *arg);

	/*
	 * The value of a template with expressions; false with the failure filled when one fails
	 */
	bool		(*evaluate) (void *arg, const OwRun *run, const OwSqlTemplate *template, const OwSqlScope *scope,
							 Jsonb **value, OwFailure *failure);

	/* Replay: what the task was queued with, instead of asking its options; NULL when live */
	const Jsonb *(*recorded_limits) (void *arg, const OwRun *run);

	/*
	 * A task token that nobody can guess, for the attempt that is scheduled next; queued: who
	 * takes it from its queue is told the token, and nobody before
	 */
	void		(*new_task_token) (void *arg, const OwRun *run, bool queued, pg_uuid_t *task_token);

	/* Gives a request its id, and whatever else the shell needs to send it. */
	void		(*new_request) (void *arg, const OwRun *run, OwRequest *request);

	/* The run that continues this one: its id, and the version that it follows */
	void		(*next_run) (void *arg, const OwRun *run, bool inherits_version, pg_uuid_t *run_id, int *version);

	/* The value of a flag for this run; NULL: it has none */
	Jsonb	   *(*read_flag) (void *arg, const OwRun *run, const char *name);

	/* Shall a run that has failed be tried again?  The question lacks the retriers.  NULL: never */
	bool		(*retry_run) (void *arg, const OwRun *run, OwRetryQuestion *question, OwRetryAnswer *answer);

	/* How many iterations of a Map may run at a time that sets no limit */
	int			(*max_concurrency) (void *arg, const OwRun *run);

	/* False, with the failure filled, when the output of a run is not of the type declared */
	bool		(*check_output) (void *arg, const OwRun *run, const OwPayloadType *type, const Jsonb *output,
								 OwFailure *failure);

	/* May a state put out so much?  NULL: anything */
	bool		(*fits) (void *arg, const OwRun *run, const Jsonb *output);

	/* May an attempt be made?  False with the rejection filled; NULL: always */
	bool		(*may_attempt) (void *arg, const OwRun *run, const OwAttempt *attempt, OwRejection *rejection);

	/* An attempt has ended: failure is NULL when it went well.  NULL: nobody wants to know */
	void		(*attempt_ended) (void *arg, const OwRun *run, const OwAttempt *attempt, const OwFailure *failure);

	/* Is there memory for more transitions in this transaction?  NULL: always */
	bool		(*has_room) (void *arg);

	void	   *arg;
	int			max_transitions;	/* states entered in one step before it yields */
	int			transition_limit;	/* states a token may enter without waiting or an activity */
} OwHost;

/* The activity the shell is asked to run (OW_STEP_ACTIVITY) */
typedef struct OwActivityCall
{
	const OwActivity *activity;
	const char *state;
	Jsonb	   *input;
	int			attempt;
	TimestampTz scheduled_at;	/* of the first attempt */
	TimestampTz close_by;		/* the attempt's deadline from schedule-to-close and the run's;
								 * DT_NOEND */
	int64		start_to_close_ms;	/* OW_UNSET */
	char	   *idempotency_key;
	Jsonb	   *last_failure;
	Jsonb	   *compensates;	/* set when this is a compensation */
	int			compensation;	/* its sequence; 0 for forward work */
	const pg_uuid_t *task_token;	/* NULL: nobody else answers for it */
	bool		own_transaction;
} OwActivityCall;

/* An attempt handed to a task queue, for programs outside; limits as machine_queue.c has them */
typedef struct OwQueuedTask
{
	pg_uuid_t	task_token;		/* first: they are sorted by it */
	int			branch;			/* id; 0: none */
	TimestampTz queued_at;
	OwActivityCall call;
	const Jsonb *limits;
} OwQueuedTask;

/* A recorded history event */
typedef struct OwHistoryEvent
{
	int			event_id;
	TimestampTz time;
	const char *type;			/* Temporal's name: "ActivityTaskScheduled" */
	const char *state;			/* NULL when not about a state */
	int			branch;			/* id; 0: none */
	Jsonb	   *attributes;		/* NULL: none */

	/* of an attempt that has ended, for those who count; not stored */
	const char *activity;
	TimestampTz queued_at;		/* into its task queue; 0: into none */
	TimestampTz taken_at;		/* from there; 0: it was not */
} OwHistoryEvent;

typedef enum OwInputKind
{
	OW_INPUT_CONTINUE,			/* go on from where the run stands (start, ready again) */
	OW_INPUT_ACTIVITY_COMPLETED,
	OW_INPUT_ACTIVITY_FAILED,
	OW_INPUT_ACTIVITY_TIMED_OUT,
	OW_INPUT_HEARTBEAT,			/* whoever has the task token is still at it */
	OW_INPUT_TIMER_FIRED,		/* the token's due_at was reached */
	OW_INPUT_DEADLINE_REACHED,	/* run.deadline was reached */
	OW_INPUT_CANCEL,
	OW_INPUT_TERMINATE,
	OW_INPUT_STUCK,				/* the shell cannot go on: failure says why */
	OW_INPUT_RETRY,				/* an operator lets a stuck run try again */
	OW_INPUT_RETRY_COMPENSATIONS,	/* an operator lets failed compensations try again */
	OW_INPUT_PAUSE,				/* an operator holds the whole run */
	OW_INPUT_RESUME,
	OW_INPUT_SIGNAL,
	OW_INPUT_UPDATE,
	OW_INPUT_SEARCH_ATTRIBUTES,
	OW_INPUT_COMPENSATIONS,		/* of the run that this one continues */
	OW_INPUT_PAUSE_ACTIVITY,	/* these four are an operator's, and about the branch's activity */
	OW_INPUT_RESUME_ACTIVITY,
	OW_INPUT_RESET_ACTIVITY,
	OW_INPUT_ACTIVITY_OPTIONS,
	OW_INPUT_CHILD_STARTED,		/* these four answer a request, which is named in what came */
	OW_INPUT_CHILD_CLOSED,
	OW_INPUT_REQUEST_ACCEPTED,
	OW_INPUT_REQUEST_FAILED,
	OW_INPUT_TRANSITION_LIMIT,	/* replay: the token had entered too many states without waiting */
	OW_INPUT_RESET,				/* the history so far was another run's: this one begins here */
	OW_INPUT_UPGRADE			/* the run goes on in another version, which has a place for it */
} OwInputKind;

typedef struct OwInput
{
	OwInputKind kind;
	TimestampTz now;
	int			branch;			/* whose activity or timer it is; 0: the run's own */
	Jsonb	   *result;			/* ACTIVITY_COMPLETED */
	const char *function_hash;	/* ACTIVITY_…: of the function called, if it has been replaced;
								 * NULL */
	const Jsonb *span_attributes;	/* ACTIVITY_…: what the function has said of its span; NULL */
	const OwFailure *failure;	/* ACTIVITY_FAILED, TIMED_OUT, STUCK */
	const char *reason;			/* CANCEL, TERMINATE, PAUSE, RESUME, PAUSE_ACTIVITY; may be NULL */
	const char *requested_by;	/* CANCEL, TERMINATE, PAUSE, RESUME, RETRY*, SIGNAL, UPDATE, of
								 * activities; may be NULL */
	const Jsonb *request;		/* of activities: {keep_paused, reset_heartbeat, options}; of
								 * answers to requests: see machine_workflow.c */
	/* Replay: the retry decision as history recorded it, instead of asking the policy again */
	const OwRetryAnswer *recorded_retry;
	/* Replay: what a task token's answer was limited by, instead of asking the task's options */
	const Jsonb *recorded_limits;
	Jsonb	   *details;		/* HEARTBEAT, and the payload of a SIGNAL or UPDATE; may be NULL.
								 * COMPENSATIONS: an array of them; SEARCH_ATTRIBUTES: {name: value
								 * or null} */
	const char *signal;			/* SIGNAL, UPDATE: its name */
	const char *update_id;		/* UPDATE */
	const char *request_id;		/* SIGNAL; may be NULL */
	TimestampTz sent_at;		/* SIGNAL, UPDATE */
	const pg_uuid_t *new_run_id;	/* RESET: the run's own; TERMINATE: of the run that a reset
									 * puts in its place; may be NULL */
	TimestampTz deadline;		/* RESET: the run's; DT_NOEND */
	const OwDefinition *definition; /* UPGRADE; request is the map of states */
	int			version;		/* UPGRADE */
	TimestampTz recorded_taken_at;	/* Replay: when a worker took the task; 0: none did, or it is
									 * live */
} OwInput;

typedef enum OwStep
{
	OW_STEP_ACTIVITY,			/* run machine->call, then step with its outcome */
	OW_STEP_PARKED,				/* nothing to do until a token's due_at, the deadline or a message */
	OW_STEP_YIELD,				/* has more to do at once, but gives others a turn */
	OW_STEP_STUCK,				/* status STUCK, run->stuck says why */
	OW_STEP_CLOSED				/* run->outcome is final */
} OwStep;

typedef struct OwMachine
{
	const OwDefinition *definition;
	const OwHost *host;
	OwRun	   *run;
	OwBranch   *branch;			/* whose token moves; NULL: the run's own */
	OwToken    *token;			/* the one that moves */
	MemoryContext context;
	List	   *events;			/* of OwHistoryEvent *, appended by the steps */
	OwActivityCall call;
	struct
	{
		TimestampTz queued_at;
		TimestampTz taken_at;	/* 0: nobody took it */
	}			dequeued;		/* the task that the attempt was, whose end is about to be recorded */
	TimestampTz recorded_taken_at;	/* of the step's input */
	TimestampTz now;
	int			transitions;	/* states entered in this step */
	const char *cancel_reason;	/* of the cancel that is this step's input; NULL */
	int			stop_at_event_id;	/* replay: enter no state once this many events exist; 0: live */
	Jsonb	   *task_input;		/* effective input of the current task, once evaluated */
	Jsonb	   *assigned;		/* the variables as they are when the state has been left */
	Jsonb	   *searched;		/* the search attributes that it then sets; NULL: none */
	Jsonb	   *task_result;	/* for $$.Task.Result while a compensation is recorded */
	const JsonbValue *item;		/* whose ItemSelector is evaluated; NULL: none */
	int			item_index;
} OwMachine;

extern OwStep ow_machine_step(OwMachine *machine, const OwInput *input);

/* What a query gives; nothing of the run changes.  False with the failure filled. */
extern bool ow_machine_query(OwMachine *machine, const OwQueryType *query, Jsonb **value, OwFailure *failure);

/* Why a metric has no value */
typedef enum OwMeasureFault
{
	OW_MEASURE_GOOD,
	OW_MEASURE_MISSING,			/* or null */
	OW_MEASURE_NO_NUMBER,
	OW_MEASURE_NEGATIVE,		/* of a counter */
	OW_MEASURE_LABEL,			/* one is an object or array, or all are too long */
	OW_MEASURE_FAILED			/* an expression of SQL */
} OwMeasureFault;

extern const char *ow_measure_fault_name(OwMeasureFault fault);

/* What a metric is of a run that has closed at machine->now, and its labels; nothing of the run changes. */
extern OwMeasureFault ow_machine_measure(OwMachine *machine, const OwMeasure *measure, double *value, const char **labels);

/* Would the run time out if its deadline were reached now? */
extern bool ow_machine_heeds_deadline(const OwRun *run);

/* A token's visits as stored: {state: times}, NULL when there are none */
extern Jsonb *ow_machine_visits(const OwToken *token, const OwDefinition *definition);

/* When the first of the tokens' timers is due, and whose it is: DT_NOEND when no timer runs */
extern TimestampTz ow_run_next_timer(const OwRun *run, int *branch);

/* When the token goes on by itself; of a queued task, as its lease has it */
extern TimestampTz ow_token_due_at(const OwToken *token);

/* Is it a task of a program outside, forward work or compensation? */
extern bool ow_token_is_queued(const OwToken *token);

/* What such a task is limited by; see machine_queue.c */
extern const Jsonb *ow_token_limits(const OwToken *token);
extern TimestampTz ow_token_limit_time(const OwToken *token, const char *name);

/* Has an operator paused the activity, and when? */
extern bool ow_token_is_paused(const OwToken *token);
extern bool ow_token_paused_at(const OwToken *token, TimestampTz *at);

/* Is it the compensation of a task? */
extern bool ow_token_is_compensating(const OwToken *token);

/*
 * The tokens at an activity of this name, or in a state of it, by their branches' ids (0: the run's own).  Not before
 * machine->host is set.
 */
extern List *ow_machine_find_pending(OwMachine *machine, const char *name);

/* The token of that task token; NULL when none waits for its answer */
extern const OwToken *ow_run_find_task(const OwRun *run, const pg_uuid_t *task_token, int *branch);

/* The token that waits for the answer to this request, or for this child; NULL: none does */
extern const OwToken *ow_run_find_request(const OwRun *run, const pg_uuid_t *request_id, int *branch);

/* The compensations that a run which continues as new leaves to the next, as an array */
extern Jsonb *ow_machine_carried_compensations(const OwRun *run);

/* NULL when no such branch runs */
extern OwBranch *ow_run_find_branch(const OwRun *run, int id);

extern char *ow_uuid_to_cstring(const pg_uuid_t *uuid);

/*
 * Moving the run to another version of its definition, whose states may have other names: {old: new}, or NULL.  Why that
 * has no place for it (NULL: it has one), and why it should not be moved now although it has.  What it has chosen by that
 * comes back: {change id: version}, or NULL.
 */
extern char *ow_machine_no_place(const OwMachine *machine, const OwDefinition *definition, const Jsonb *state_map);
extern char *ow_machine_is_busy(const OwMachine *machine);
extern Jsonb *ow_machine_use_definition(OwMachine *machine, const OwDefinition *definition, int version,
										const Jsonb *state_map);

#endif							/* OW_MACHINE_H */
