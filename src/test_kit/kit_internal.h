/*
 * kit_internal.h
 *		The state of a test, shared by the files of the kit.
 */
#ifndef OW_KIT_INTERNAL_H
#define OW_KIT_INTERNAL_H

#include "fmgr.h"
#include "store/epoch.h"
#include "test_kit/test_kit.h"

/* A statement to be executed when the clock gets there; of on_activity, with the call that it is about */
typedef struct OwTestCommand
{
	TimestampTz at;
	char	   *sql;
	char	   *workflow_id;	/* $1; NULL: the statement has no parameters */
	Jsonb	   *input;			/* $2 */
	struct OwDecision *decision;	/* of an exploration; NULL: the test's own */
} OwTestCommand;

/* What a mock stands for */
typedef enum OwMockKind
{
	OW_MOCK_ACTIVITY,
	OW_MOCK_WORKFLOW,
	OW_MOCK_SIGNAL,				/* to another workflow */
	OW_MOCK_CANCEL				/* of another workflow */
} OwMockKind;

/* What a mock says to one call */
typedef struct OwMockAnswer
{
	Jsonb	   *result;
	char	   *error;			/* NULL: the call succeeds */
	char	   *message;
	Jsonb	   *details;
	bool		non_retryable;
	int64		next_retry_delay_ms;	/* OW_UNSET */
	char	   *compute;		/* a SQL expression that gives the result; NULL */
	bool		never;			/* no answer */
	Jsonb	   *heartbeat;		/* details that are sent when the task is taken; NULL: none */
	int64		duration_ms;
} OwMockAnswer;

/* Which calls something is for; all of it optional but the name */
typedef struct OwCallMatch
{
	char	   *name;			/* of the activity or workflow; of the other workflow's id */
	char	   *signal;
	Jsonb	   *input;			/* contained in the call's input */
	char	   *matching;		/* a jsonpath predicate or filter over it */
	int			attempt;		/* 0: any */
	char	   *workflow_id;
} OwCallMatch;

typedef struct OwMock
{
	OwMockKind	kind;
	OwCallMatch match;
	int			answers;
	OwMockAnswer *answer;		/* one after the other; the only one, so often */
	int			left;			/* uses left; -1: any number */
	int			used;
} OwMock;

/* Something that mocks may answer */
typedef struct OwMockedCall
{
	OwMockKind	kind;
	const char *name;
	const char *signal;			/* NULL: not about one */
	const Jsonb *input;
	int			attempt;
	const char *workflow_id;	/* of the run that calls an activity; of the child; of the other
								 * workflow */
} OwMockedCall;

/* A message to be sent when the clock gets there: how a mock's task or child ends */
typedef struct OwTestReply
{
	TimestampTz at;
	OwRunRef	run;
	Oid			owner;
	const char *kind;
	Jsonb	   *payload;
	OwTaskClaim held;			/* of a task: dropped when that has ended meanwhile */
	OwRunRef	child;			/* the mocked child, else zero */
	bool		of_task;
	bool		beats;			/* heartbeats are sent until then */
} OwTestReply;

typedef struct OwTestCall
{
	OwMockKind	kind;
	char	   *workflow_id;	/* of the run that calls */
	char	   *name;			/* activity, workflow, or other workflow's id */
	char	   *other_id;		/* the child's workflow id, or the other workflow's */
	char	   *signal;
	char	   *state;
	int			attempt;
	bool		compensation;
	bool		mocked;
	Jsonb	   *input;
	TimestampTz called_at;
} OwTestCall;

/* on_activity: what is to happen when an activity is called */
typedef struct OwTestReaction
{
	OwCallMatch match;
	char	   *sql;
	int64		after_ms;
	int			call;			/* the n-th that matches; 0: each */
	int			seen;
} OwTestReaction;

/* Lives in its own context below TopTransactionContext */
typedef struct OwTestKit
{
	MemoryContext context;
	List	   *runs;			/* of OwRunRef *: started in this test */
	List	   *commands;		/* of OwTestCommand *, by time */
	List	   *mocks;			/* of OwMock *, in the order given */
	List	   *replies;		/* of OwTestReply *, in the order given */
	List	   *allowed;		/* of char *: activities that run really */
	List	   *reactions;		/* of OwTestReaction * */
	List	   *calls;			/* of OwTestCall * */
	List	   *expectations;	/* of Jsonb * */
	bool		names_unchecked;	/* mocks and the like were added since names were looked at */
	bool		skips_no_time;
	bool		takes_time;		/* mocks of activities have durations */
	bool		driving;
	struct OwExplore *explore;	/* what is decided of its runs; NULL: this is a test as any */
	TimestampTz held_until;		/* when a circuit breaker lets a mocked task be taken; DT_NOEND */
} OwTestKit;

/* Who a mock takes tasks as */
#define OW_MOCK_WORKER "workflow_test mock"

extern OwTestKit *ow_test_kit(void);
extern OwTestKit *ow_test_kit_required(void);
extern void ow_test_kit_set(OwTestKit *another);

/* mock_options.c: what SQL gives as a jsonb object */
extern const char *ow_mock_kind_name(OwMockKind kind);
extern void ow_mock_read_match(const Jsonb *options, OwCallMatch *match);
extern void ow_mock_read_answer(const Jsonb *options, OwMockAnswer *answer);
extern int64 ow_mock_read_interval(const Jsonb *options, const char *key, int64 missing);
extern int	ow_mock_read_int(const Jsonb *options, const char *key, int missing);

/* Is it of an activity, one of whose calls may take time? */
extern bool ow_mock_takes_time(const OwMock *mock);

/* mock_match.c */
extern bool ow_mock_matches(const OwCallMatch *match, const OwMockedCall *call);

/* The first that matches and has uses left; NULL */
extern OwMock *ow_mock_find(const OwTestKit *kit, const OwMockedCall *call);

/* What it says this time; taking it uses it up */
extern const OwMockAnswer *ow_mock_next_answer(const OwMock *mock);
extern const OwMockAnswer *ow_mock_take_answer(OwMock *mock);

/* Warn of names of mocks and the like that nothing here has. */
extern void ow_mock_check_names(OwTestKit *kit);

/* mock.c: does the input fit the type that the activity was registered with?  And what an answer is, but for its time */
extern bool ow_mock_check_input(const OwActivity *activity, const Jsonb *input, OwFailure *failure);
extern OwMockVerdict ow_mock_outcome(const OwMockAnswer *answer, const OwMockedCall *call, OwMockOutcome *outcome);

/* mock_compute.c: the result of a mock's expression, or the failure of what it raised */
extern void ow_mock_compute(const OwMockAnswer *answer, const OwMockedCall *call, OwMockOutcome *outcome);
extern void ow_mock_check_expression(const char *expression);

/* call_log.c */
extern OwTestCall *ow_test_log(OwTestKit *kit, const OwMockedCall *call, const char *workflow_id);

/* command.c */
extern void ow_test_add_command(OwTestKit *kit, const OwTestCommand *new_command);
extern void ow_test_react(OwTestKit *kit, const OwMockedCall *call);
extern TimestampTz ow_test_next_command(const OwTestKit *kit);	/* DT_NOEND */
extern void ow_test_execute(const OwTestCommand *command);
extern bool ow_test_execute_due(OwTestKit *kit);	/* false: none was due */

/* reply.c */
extern void ow_test_reply(OwTestKit *kit, const OwTestReply *reply);
extern bool ow_test_send_replies(OwTestKit *kit, TimestampTz *next);
extern OwTestReply *ow_test_find_reply(const OwTestKit *kit, const OwRunRef *child);	/* NULL: none waits */
extern void ow_test_keep_beating(const OwTestKit *kit);

/* mock_workflow.c: a mocked child is asked to close; false: it is none, or has closed */
extern bool ow_test_close_child(OwTestKit *kit, const OwRunRef *ref);

/* mock_task.c: answer for the first task in a task queue that is mocked; false when there is none. */
extern bool ow_test_kit_answer_queued(OwTestKit *kit);

#endif							/* OW_KIT_INTERNAL_H */
