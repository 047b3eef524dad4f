/*
 * explore.h
 *		What happens to a run that is explored: decided by a script, or drawn.
 *
 * A decision is an object: {"activity", "call", …} or {"workflow", "call", …} says how the n-th call of an activity or
 * child ends, with the members of a mock's answer; {"at", "command"} executes a statement at a time (without "at": when
 * the run has been started, before it begins), and "then" another, "after" so long.  What no decision is about goes as
 * the mocks of the test say, and well without.
 *
 * An exploration stands for a test in a test: it has a kit of its own, with the mocks and commands of the outer one.
 * The SQL function workflow_test.explore rolls back what its runs do to tables.
 */
#ifndef OW_EXPLORE_H
#define OW_EXPLORE_H

#include "common/pg_prng.h"
#include "test_kit/kit_internal.h"

/* What may be drawn, and how much of it in one run */
#define OW_EXPLORE_MAX_DRAWN 25

typedef struct OwDecision
{
	Jsonb	   *json;
	OwMock	   *mock;			/* what a call gets: of an activity or workflow; NULL: it is about
								 * a command */
	int			call;			/* which one, from 1 */
	bool		used;
} OwDecision;

/* The calls of one activity or child so far */
typedef struct OwExploredCalls
{
	OwMockKind	kind;
	char	   *name;
	int			calls;
	Jsonb	   *last;			/* how the last was decided to end; NULL: not at all */
} OwExploredCalls;

/* How a call was answered */
typedef struct OwExploredAnswer
{
	OwMockKind	kind;
	char	   *name;
	Jsonb	   *answer;
} OwExploredAnswer;

typedef struct OwExplore
{
	OwTestKit  *outer;			/* NULL: no test had begun */
	TimestampTz outer_now;
	TimestampTz began_at;
	TimestampTz until;			/* it goes on for no longer than this… */
	int			max_steps;		/* … and is driven no more often */
	int			steps;
	bool		stopped;		/* by either */
	pg_prng_state random;		/* of run ids and tokens */
	pg_prng_state chance;		/* of decisions */
	Jsonb	   *menu;			/* what may be drawn: {activities, workflows, commands}; NULL:
								 * nothing */
	double		rate;			/* how likely a decision is… */
	double		again;			/* … and that a call which has failed does so the next time:
								 * retries are to be used up */
	int			drawn;
	List	   *decisions;		/* of OwDecision * */
	List	   *calls;			/* of OwExploredCalls * */
	List	   *answers;		/* of OwExploredAnswer * */
} OwExplore;

/*
 * The mock for a call: what is decided, else the test's own (NULL: none), else success.  A child that nothing is said of
 * is not mocked: NULL.
 */
extern OwMock *ow_explore_mock(OwTestKit *kit, const OwMockedCall *call, OwMock *own);

/* Takes a script's decision into account, or one that was drawn. */
extern OwDecision *ow_explore_decide(OwTestKit *kit, const Jsonb *json);

/* The clock is about to move to next, or (DT_NOEND) nothing is left to be done.  True: a command has been drawn. */
extern bool ow_explore_idles(OwTestKit *kit, TimestampTz next);

/* Before the run begins */
extern void ow_explore_begins(OwTestKit *kit);

/* Executes a command that a decision is about: that it comes too late is no error. */
extern void ow_explore_execute(const OwTestCommand *command);

/* Counts a step; true when it is enough. */
extern bool ow_explore_is_over(OwExplore *explore);

#endif							/* OW_EXPLORE_H */
