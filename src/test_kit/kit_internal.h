/*
 * kit_internal.h
 *		The state of a test, shared by test_kit.c (driving) and mock.c (answers and the call log).
 */
#ifndef OW_KIT_INTERNAL_H
#define OW_KIT_INTERNAL_H

#include "fmgr.h"
#include "test_kit/test_kit.h"

typedef struct OwTestCommand
{
	TimestampTz at;
	char	   *sql;
} OwTestCommand;

typedef struct OwMock
{
	char	   *activity;		/* or workflow */
	Jsonb	   *input;			/* contained in the call's input; NULL: any */
	Jsonb	   *result;
	char	   *error;			/* NULL: the call succeeds */
	char	   *message;
	Jsonb	   *details;
	bool		non_retryable;
	int			left;			/* uses left; -1: any number */
	int64		duration_ms;
} OwMock;

/* To the run that has asked for a mocked child, when that closes */
typedef struct OwTestReply
{
	TimestampTz at;
	OwRunRef	run;
	Oid			owner;
	Jsonb	   *payload;
} OwTestReply;

typedef struct OwTestCall
{
	char	   *workflow_id;
	char	   *activity;
	char	   *state;
	int			attempt;
	bool		compensation;
	Jsonb	   *input;
	TimestampTz called_at;
} OwTestCall;

/* Lives in its own context below TopTransactionContext */
typedef struct OwTestKit
{
	MemoryContext context;
	List	   *runs;			/* of OwRunRef *: started in this test */
	List	   *commands;		/* of OwTestCommand *, by time */
	List	   *mocks;			/* of OwMock *, in the order given */
	List	   *workflow_mocks; /* the same of child workflows */
	List	   *replies;		/* of OwTestReply *, of those of them that have not closed */
	List	   *allowed;		/* of char *: activities that run really */
	List	   *calls;			/* of OwTestCall * */
	TimestampTz held_until;		/* when a circuit breaker lets a mocked task be taken; DT_NOEND */
} OwTestKit;

extern OwTestKit *ow_test_kit(void);
extern OwTestKit *ow_test_kit_required(void);

/* The mocks, with one more made from the arguments: name, result, error, message, input, times, duration, … */
extern List *ow_test_kit_add_mock(OwTestKit *kit, List *mocks, FunctionCallInfo fcinfo);

/* The first that matches and has uses left; NULL */
extern OwMock *ow_test_kit_find_mock(List *mocks, const char *name, const Jsonb *input);

extern bool ow_test_kit_send_replies(OwTestKit *kit, TimestampTz *next);

/* Answer for the first task in a task queue that is mocked; false when there is none. */
extern bool ow_test_kit_answer_queued(OwTestKit *kit);

#endif							/* OW_KIT_INTERNAL_H */
