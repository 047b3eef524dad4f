/*
 * definition.h
 *		A workflow definition compiled to C: states resolved to indexes, paths and templates parsed.
 *
 * ow_definition_compile turns the jsonb of a definition into this structure once per backend;
 * everything is allocated in the memory context current at the call and never changes afterwards.
 */
#ifndef OW_DEFINITION_H
#define OW_DEFINITION_H

#include "datatype/timestamp.h"
#include "machine/choice.h"
#include "machine/json.h"
#include "machine/path.h"
#include "machine/payload_schema.h"
#include "machine/problems.h"
#include "machine/search_attribute.h"
#include "machine/sql_template.h"
#include "machine/template.h"

#define OW_MAX_DEFINITION_BYTES (1024 * 1024)
#define OW_MAX_NESTING 100		/* depth of a definition's JSON */
#define OW_MAX_STATE_NAME 80	/* characters */
#define OW_NO_STATE (-1)
#define OW_UNSET (-1)			/* a duration or count that was not given */
#define OW_MAX_RETRIERS 16		/* per state */
#define OW_MAX_AWAITED 100		/* in one Await state */
#define OW_MAX_FAILURE_THRESHOLD 100	/* of a circuit breaker */

typedef enum OwStateType
{
	OW_STATE_PASS,
	OW_STATE_TASK,
	OW_STATE_CHOICE,
	OW_STATE_WAIT,
	OW_STATE_SUCCEED,
	OW_STATE_FAIL,
	OW_STATE_COMPENSATE,
	OW_STATE_PARALLEL,
	OW_STATE_MAP,
	OW_STATE_AWAIT,
	OW_STATE_CONTINUE_AS_NEW,
	OW_STATE_VERSION
} OwStateType;

extern const char *ow_state_type_name(OwStateType type);	/* "Pass", "Task", … */

typedef struct OwRetrier
{
	int			nerrors;
	char	  **errors;
	int64		interval_ms;
	double		backoff_rate;
	int64		max_delay_ms;	/* OW_UNSET: no limit */
	int			max_attempts;	/* ASL: retries by this retrier; OW_UNSET when MaximumAttempts
								 * rules */
	int			maximum_attempts;	/* total attempts of the task, 0: no limit, as in Temporal;
									 * OW_UNSET when MaxAttempts rules */
	bool		full_jitter;
} OwRetrier;

typedef struct OwCatcher
{
	int			nerrors;
	char	  **errors;
	int			next;
	OwPath	   *result_path;	/* NULL: "$" */
	bool		result_path_null;	/* "ResultPath": null keeps the input */
	OwTemplate *assign;			/* over the error; NULL: none */
	OwSqlTemplate *sql_output;	/* SQL: NULL: the error */
	OwSqlTemplate *sql_assign;	/* SQL: NULL: none */
} OwCatcher;

#define OW_MAX_FAIRNESS_KEY 1000	/* bytes */

#define OW_MAX_WORKFLOW_ID 1000 /* bytes */

/* What a Task asks of another workflow */
typedef enum OwRequestKind
{
	OW_REQUEST_CHILD,			/* to be started */
	OW_REQUEST_SIGNAL,
	OW_REQUEST_CANCEL,
	OW_REQUEST_CANCEL_CHILD		/* no Task's: its run, or branch, is to end */
} OwRequestKind;

/* What becomes of a child that is open when its parent closes */
typedef enum OwParentClosePolicy
{
	OW_CLOSE_TERMINATE,
	OW_CLOSE_ABANDON,
	OW_CLOSE_REQUEST_CANCEL
} OwParentClosePolicy;

extern const char *ow_close_policy_name(OwParentClosePolicy policy);

/* What the Task of a child has as its result, or what it is called with */
typedef enum OwChildForm
{
	OW_CHILD_PLAIN,				/* the child's output */
	OW_CHILD_EXECUTION,			/* startExecution: its name, id and input are in Parameters */
	OW_CHILD_EXECUTION_TEXT		/* the same, with the output as a text (.sync, without :2) */
} OwChildForm;

/* A Task that is no activity's */
typedef struct OwWorkflowTask
{
	OwRequestKind kind;
	char	   *workflow;		/* the child's; NULL: its input says which */
	int			version;		/* 0: the current one */
	char	   *workflow_id;	/* as written; NULL: derived from where the Task is */
	OwExpression *workflow_id_path;
	OwSqlTemplate *workflow_id_sql;
	OwParentClosePolicy policy;
	bool		waits;			/* until the child has closed */
	OwChildForm form;
} OwWorkflowTask;

/* When attempts of an activity are not made, because those before failed; see circuit.h */
typedef struct OwCircuitBreaker
{
	int			failure_threshold;	/* so many failures … */
	int64		window_ms;		/* … within so long open it … */
	int64		open_ms;		/* … for so long */
	int			nerrors;		/* which failures count; none: all */
	char	  **errors;
} OwCircuitBreaker;

/*
 * What a state, Defaults or an activity's registration may say about running an activity.
 * Durations in milliseconds; OW_UNSET or NULL where nothing was said.
 */
typedef struct OwTaskOptions
{
	int64		schedule_to_start_ms;
	int64		start_to_close_ms;	/* also ASL's TimeoutSeconds */
	int64		schedule_to_close_ms;
	int64		heartbeat_ms;
	OwPath	   *start_to_close_path;	/* TimeoutSecondsPath */
	OwPath	   *heartbeat_path; /* HeartbeatSecondsPath */
	bool		start_to_close_fixed;	/* set by ow_task_options_override: expressions of a SQL
										 * state */
	bool		heartbeat_fixed;	/* count no more */
	bool		fairness_fixed;
	char	   *task_queue;
	int			priority;		/* OW_UNSET */
	char	   *fairness_key;	/* as written */
	OwPath	   *fairness_path;	/* what it is when it starts with $ */
	int			own_transaction;	/* OW_UNSET, 0 "Shared", 1 "Own" */
	OwPayloadType *input_type;	/* of an activity's registration only; NULL: any */
	OwCircuitBreaker *circuit_breaker;	/* of an activity's registration only; NULL: none */
	bool		has_retry;		/* "Retry": [] replaces what lies below by nothing */
	int			nretriers;
	OwRetrier  *retriers;
} OwTaskOptions;

typedef struct OwCompensation
{
	char	   *resource;		/* activity name */
	OwTemplate *parameters;		/* NULL: the task's own effective input */
	OwSqlTemplate *arguments;	/* the same in SQL */
	OwTaskOptions options;
	bool		when_scheduled; /* "When": "Scheduled" */
} OwCompensation;

typedef struct OwPublicError
{
	char	   *code;
	char	   *message;		/* may be NULL */
} OwPublicError;

typedef struct OwChoiceBranch
{
	OwChoiceRule *rule;
	int			next;
	OwTemplate *assign;			/* NULL: none */
	OwSqlTemplate *condition;	/* SQL: in place of the rule */
	OwSqlTemplate *sql_output;	/* SQL: NULL: the input */
	OwSqlTemplate *sql_assign;	/* SQL: NULL: none */
} OwChoiceBranch;

/* A number that a Map has fixed, or reads when it is entered ("MaxConcurrencyPath") */
typedef struct OwNumber
{
	bool		given;
	double		fixed;
	OwPath	   *path;			/* NULL: fixed, or an expression */
	OwSqlTemplate *expression;	/* SQL: NULL: fixed */
} OwNumber;

typedef struct OwItemBatcher
{
	OwNumber	max_items;		/* MaxItemsPerBatch */
	OwNumber	max_bytes;		/* MaxInputBytesPerBatch */
	OwTemplate *batch_input;	/* NULL: none */
	OwSqlTemplate *sql_batch_input; /* the same in SQL */
} OwItemBatcher;

/* When a timer fires: exactly one of these */
typedef struct OwMoment
{
	int64		ms;				/* from when the state is entered; OW_UNSET */
	OwPath	   *seconds_path;
	bool		has_timestamp;
	TimestampTz timestamp;
	OwPath	   *timestamp_path;
	OwSqlTemplate *sql_seconds; /* SQL */
	OwSqlTemplate *sql_timestamp;
	const char *field;			/* the name of the field that has the path */
} OwMoment;

/* What is made for a caller; one of the two is set */
typedef struct OwProjection
{
	OwTemplate *template;		/* its member "Result" */
	OwSqlTemplate *sql;
} OwProjection;

/* One of the things that an Await state waits for: a signal, an update, or a moment */
typedef struct OwAwaited
{
	char	   *signal;			/* the name of the signal or update; NULL: the moment */
	bool		is_update;
	OwProjection *answer;		/* of an update, over the payload; NULL: null */
	OwMoment	moment;
	OwChoiceRule *condition;	/* over the payload; NULL: any */
	OwSqlTemplate *sql_condition;	/* the same in SQL */
	OwPath	   *result_path;	/* where the payload goes; NULL: nowhere */
	OwTemplate *assign;			/* over the payload, or the input after a moment; NULL: none */
	OwSqlTemplate *sql_output;	/* SQL: NULL: the input */
	OwSqlTemplate *sql_assign;	/* SQL: NULL: none */
	int			next;			/* OW_NO_STATE: all are awaited */
} OwAwaited;

/* What can be asked of runs of the definition */
typedef struct OwQueryType
{
	char	   *name;
	OwProjection *result;
} OwQueryType;

#define OW_ORIGINAL_VERSION (-1)	/* of a change: as it was before */
#define OW_MAX_CHANGE_VERSION 1000000

/* Where a Version state leads runs that follow this version of its change */
typedef struct OwChangeVersion
{
	int			version;
	int			next;
} OwChangeVersion;

/* An update that runs of the definition can be sent; its members are over the payload */
typedef struct OwUpdateType
{
	char	   *name;
	OwPayloadType *payload;		/* NULL: any */
	OwChoiceRule *condition;	/* else it is rejected; NULL: none */
	OwSqlTemplate *sql_condition;
	char	   *error;			/* of a rejection; NULL */
	char	   *cause;
	OwPublicError *public_error;
	bool		sql;			/* its language */
	bool		handled;		/* where it comes; else an Await state takes it */
	OwTemplate *assign;			/* NULL: none */
	OwSqlTemplate *sql_assign;
	OwProjection *result;		/* NULL: null */
} OwUpdateType;

typedef enum OwMeasureKind
{
	OW_MEASURE_COUNTER,
	OW_MEASURE_GAUGE,
	OW_MEASURE_HISTOGRAM
} OwMeasureKind;

/* The value of a metric, or of one of its labels; of path, sql and fixed one is set if it was given */
typedef struct OwMeasured
{
	char	   *name;			/* of a label */
	bool		given;
	OwExpression *path;
	OwSqlTemplate *sql;
	Jsonb	   *fixed;
} OwMeasured;

/* A metric that is recorded when a run closes */
typedef struct OwMeasure
{
	char	   *name;
	OwMeasureKind kind;
	OwMeasured	value;			/* not given: 1, of a histogram how many seconds the run took */
	int			nlabels;
	OwMeasured *labels;
	int			nbounds;		/* 0: as histograms have them */
	double	   *bounds;
	int			statuses;		/* 1 << OwStatus: closed how */
	char	   *help;			/* NULL */
} OwMeasure;

/* A signal that runs of the definition can be sent */
typedef struct OwSignalType
{
	char	   *name;
	OwPayloadType *payload;		/* NULL: any */
} OwSignalType;

/* What a state of the SQL language has in the place of paths and templates; NULL where nothing was said */
typedef struct OwSqlState
{
	OwSqlTemplate *arguments;	/* Task, Parallel: NULL: the input */
	OwSqlTemplate *output;		/* NULL: the result, or the input where there is none */
	OwSqlTemplate *assign;
	OwSqlTemplate *search;		/* Pass, Task, Await */
	OwSqlTemplate *timeout_seconds; /* Task */
	OwSqlTemplate *heartbeat_seconds;
	OwSqlTemplate *fairness_key;
	OwSqlTemplate *items;		/* Map: NULL: the input */
	OwSqlTemplate *item_selector;
	OwSqlTemplate *error;		/* Fail */
	OwSqlTemplate *cause;
} OwSqlState;

typedef struct OwState
{
	char	   *name;			/* unique over the whole definition */
	int			index;
	int			submachine;		/* the machine it is a state of */
	OwStateType type;
	int			next;			/* OW_NO_STATE: ends the machine (End, Succeed, Fail, Choice) */
	OwSqlState *sql;			/* NULL: the state is in JSONPath */

	/* Data flow; NULL paths mean "$", the _null flags an explicit JSON null */
	OwPath	   *input_path;
	bool		input_path_null;
	OwTemplate *parameters;
	OwTemplate *result_selector;
	OwPath	   *result_path;
	bool		result_path_null;
	OwPath	   *output_path;
	bool		output_path_null;
	OwTemplate *assign;			/* variables; a Choice's is for its Default.  NULL: none */

	OwTemplate *search;			/* Pass, Task, Await: search attributes, over the output; NULL:
								 * none */

	Jsonb	   *result;			/* Pass: Result, or NULL */

	char	   *activity;		/* Task: the activity's name; NULL: none, but workflow is set */
	OwWorkflowTask *workflow;	/* Task: NULL: an activity's */
	char	   *resource;		/* Task: Resource as written */
	bool		callback;		/* Task: .waitForTaskToken */
	bool		synchronous;	/* Task: .sync */
	OwTaskOptions options;		/* Task */
	int			ncatchers;
	OwCatcher  *catchers;
	OwCompensation *compensation;	/* Task: NULL when none */

	int			nbranches;		/* Choice */
	OwChoiceBranch *branches;
	int			default_next;	/* Choice: OW_NO_STATE when none */

	OwMoment	wait;			/* Wait */

	/* Await: any one of what is awaited, or all of it */
	bool		await_all;
	int			nawaited;
	OwAwaited  *awaited;

	bool		inherits_version;	/* ContinueAsNew: the next run follows this version, not the
									 * current one */

	/* Version */
	char	   *change_id;
	char	   *flag;			/* NULL: the greatest version */
	int			nversions;
	OwChangeVersion *versions;	/* in order */
	bool	   *leads_to;		/* by state: it can be reached from here */

	/* Fail */
	char	   *error;
	char	   *cause;
	OwExpression *error_path;
	OwExpression *cause_path;
	OwPublicError *public_error;

	/* Parallel and Map: the machines nested in it, one per branch, or that of all items */
	int			first_submachine;
	int			nsubmachines;

	/* Map */
	OwPath	   *items_path;		/* NULL: "$" */
	OwTemplate *item_selector;	/* ItemSelector, or Parameters of old.  NULL: the item itself */
	OwItemBatcher *item_batcher;	/* NULL: none */
	OwNumber	max_concurrency;
	OwNumber	tolerated_failure_count;
	OwNumber	tolerated_failure_percentage;
} OwState;

/* The definition's own machine, or one nested in a Parallel or Map: its states stand together. */
typedef struct OwSubmachine
{
	int			owner;			/* the Parallel or Map state; OW_NO_STATE: the definition's own */
	int			start_at;
	int			first_state;
	int			nstates;
} OwSubmachine;

typedef struct OwDefinition
{
	char	   *comment;
	int			nsubmachines;
	OwSubmachine *submachines;	/* the first is the definition's own */
	int			nstates;
	OwState    *states;
	int		   *by_name;		/* indexes of the states, sorted as ow_definition_find_state
								 * searches */
	int64		timeout_ms;		/* top-level TimeoutSeconds; OW_UNSET */
	OwTaskOptions retry;		/* top-level Retry: of whole runs */
	OwTaskOptions defaults;		/* Defaults, without its ResultPath (already spread over the
								 * states) */
	int			on_error;		/* state indexes or OW_NO_STATE */
	int			on_cancel;
	int			on_timeout;
	OwPublicError *public_error;
	OwPayloadType *input_type;	/* NULL: any */
	OwPayloadType *output_type;
	int			nsearch_attributes;
	OwSearchAttribute *search_attributes;
	int			nredacted;
	OwPath	  **redacted;		/* hidden from logs and reports; see redact.h */
	int			nsignals;
	OwSignalType *signals;
	int			nqueries;
	OwQueryType *queries;
	int			nupdates;
	OwUpdateType *updates;
	int			nmeasures;
	OwMeasure  *measures;
	int			nactivities;	/* distinct names of activities used, compensations included */
	char	  **activities;
	List	   *children;		/* of OwWorkflowTask *: child workflows that are named */
} OwDefinition;

/*
 * Compile and check a definition.  Returns NULL when problems has errors; warnings alone do not
 * stop it.
 */
extern OwDefinition *ow_definition_compile(const Jsonb *source, OwProblems *problems);

/* What only the text can tell: duplicate keys (jsonb drops them silently), size and nesting. */
extern void ow_definition_check_text(const char *text, OwProblems *problems);

/* Options of an activity's registration, in the same fields as a Task's */
extern OwTaskOptions *ow_task_options_compile(const Jsonb *source, const char *where, OwProblems *problems);
extern void ow_task_options_init(OwTaskOptions *options);

/* A Retry alone, an array of retriers or one of them, which may leave out its errors: as the array; NULL: it is wrong */
extern Jsonb *ow_retry_normalize(const Jsonb *retry, OwProblems *problems);

/* Reads the member "Retry". */
extern void ow_task_options_read_retry(OwTaskOptions *options, const JsonbValue *source, OwProblems *problems);

/* Each field from the first of the three that sets it: state > defaults > activity (may be NULL) */
extern void ow_task_options_merge(OwTaskOptions *result, const OwTaskOptions *state,
								  const OwTaskOptions *defaults, const OwTaskOptions *activity);

/* Options that an operator gives a task in place of its own; a field that is null is to be removed. */
extern void ow_task_options_check_override(const Jsonb *given, const char *where, OwProblems *problems);
extern void ow_task_options_override(OwTaskOptions *options, const Jsonb *given);

/*
 * The definition that runs one activity, with these fields of a Task; NULL when they are not such.  A name that a
 * Resource cannot have is found out when it is compiled: then it does not name the activity.
 */
extern Jsonb *ow_job_definition(const char *activity, const Jsonb *options, OwProblems *problems);
extern bool ow_job_names_activity(const OwDefinition *definition, const char *activity);

/* OW_NO_STATE when there is none; also finds states of nested machines. */
extern int	ow_definition_find_state(const OwDefinition *definition, const char *name);

/* The signal of that name; NULL: it is not declared */
extern const OwSignalType *ow_definition_find_signal(const OwDefinition *definition, const char *name);

/* The declared signal that was probably meant; NULL */
extern const char *ow_definition_nearest_signal(const OwDefinition *definition, const char *name);

/* The query of that name; NULL: it is not declared */
extern const OwQueryType *ow_definition_find_query(const OwDefinition *definition, const char *name);

/* The same of updates */
extern const OwUpdateType *ow_definition_find_update(const OwDefinition *definition, const char *name);
extern const char *ow_definition_nearest_update(const OwDefinition *definition, const char *name);

/* Are any of its metrics, or their labels, expressions of SQL? */
extern bool ow_definition_measures_by_sql(const OwDefinition *definition);

/* Where a run begins */
extern int	ow_definition_start(const OwDefinition *definition);

/* The workflow that an ARN of a state machine stands for, without a version; any other text is a name itself. */
extern char *ow_state_machine_name(const char *text);

/* Do branches run in this state, Parallel or Map? */
extern bool ow_state_has_branches(const OwState *state);

#endif							/* OW_DEFINITION_H */
