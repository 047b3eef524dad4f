/*
 * answer.c
 *		Answers to task tokens, from any session.
 *
 * An answer is handed to its run in memory, and the run driven, in a subtransaction:
 *
 *		ow_find_tasks		whose tokens they are, without a lock
 *		drive_outside		lock and load the runs, hand over, drive, flush	-> settled
 *		store				what could not be handed over: a message, stored while the run is locked
 *
 * The last is for runs that only their owner may drive, for sessions that must not drive any, and for whatever
 * went wrong, of which nothing is left by then: so no answer is lost to a fault that is not the worker's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/activity.h"
#include "engine/answer.h"
#include "engine/batch.h"
#include "engine/chain.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/find.h"
#include "store/identity.h"
#include "store/task_offer.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "worker/wakeup.h"

/* So many share a subtransaction: an error costs no more than these, and the lists stay short. */
#define ANSWERS_AT_ONCE 256

/* ---- whose they are ---- */

static OwTaskClaim
held_by(const OwAnswer *answer)
{
	return (OwTaskClaim)
	{
		.task_token = answer->message.task_token,
			.claim = answer->claim
	};
}

/* An activity that answers for itself has no task yet: of such, more is known when the answer is stored. */
static void
find_runs(OwAnswer *answers, int count, bool all)
{
	OwFoundTask *tasks = palloc0(sizeof(OwFoundTask) * count);

	for (int i = 0; i < count; i++)
		tasks[i].held = held_by(&answers[i]);
	ow_find_tasks(tasks, count);
	for (int i = 0; i < count; i++)
	{
		answers[i].waited_for = tasks[i].found || !all;
		answers[i].run = tasks[i].run;
	}
	pfree(tasks);
}

static int
compare_runs(const OwRunRef *a, const OwRunRef *b)
{
	if (a->shard_key != b->shard_key)
		return a->shard_key < b->shard_key ? -1 : 1;
	return memcmp(&a->run_id, &b->run_id, UUID_LEN);
}

/* Of answers to the same run, and the same token, the one given first comes first. */
static int
compare_answers(const void *a, const void *b)
{
	const OwAnswer *first = *(OwAnswer *const *) a;
	const OwAnswer *second = *(OwAnswer *const *) b;
	int			order = compare_runs(&first->run, &second->run);

	return order != 0 ? order : (first > second) - (first < second);
}

/*
 * Those that somebody may wait for, in the order in which their runs are locked: all who lock several keep to it,
 * so that they do not wait for each other.
 */
static OwAnswer **
in_lock_order(OwAnswer *answers, int *count)
{
	OwAnswer  **ordered = palloc(sizeof(OwAnswer *) * *count);
	int			waited_for = 0;

	for (int i = 0; i < *count; i++)
	{
		if (answers[i].waited_for)
			ordered[waited_for++] = &answers[i];
	}
	qsort(ordered, waited_for, sizeof(OwAnswer *), compare_answers);
	*count = waited_for;
	return ordered;
}

/* ---- handing over ---- */

static bool
is_answered(const OwLoadedRun *loaded, const pg_uuid_t *task_token)
{
	ListCell   *cell;

	foreach(cell, loaded->messages)
	{
		const OwMessage *message = lfirst(cell);

		if (message->kind != OW_INPUT_HEARTBEAT && memcmp(&message->task_token, task_token, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* The task may have been put back since the answer's run was looked for. */
static bool
is_held(const OwAnswer *answer, const OwToken *token)
{
	return answer->claim == OW_ANY_CLAIM || answer->claim == (token->lease ? token->lease->claim : 0);
}

/* After the messages that are there: they were sent before. */
static void
hand_over(OwAnswer *answer, OwLoadedRun *loaded)
{
	int			branch;
	const OwToken *token = ow_run_find_task(&loaded->run, &answer->message.task_token, &branch);

	answer->settled = true;
	answer->message.handed_over = true;
	answer->taken = token != NULL && is_held(answer, token) &&
		!is_answered(loaded, &answer->message.task_token);
	if (answer->taken)
		loaded->messages = lappend(loaded->messages, &answer->message);
}

typedef struct AnswerRange
{
	OwAnswer  **answers;		/* in lock order */
	int			count;
} AnswerRange;

/* Both lists are in the order of the runs' locks. */
static void
hand_over_all(List *runs, void *arg)
{
	const AnswerRange *range = arg;
	int			next = 0;
	ListCell   *cell;

	foreach(cell, runs)
	{
		OwLoadedRun *loaded = lfirst(cell);

		while (next < range->count && compare_runs(&range->answers[next]->run, &loaded->ref) < 0)
			next++;				/* closed meanwhile: nobody waits */
		while (next < range->count && compare_runs(&range->answers[next]->run, &loaded->ref) == 0)
			hand_over(range->answers[next++], loaded);
	}
}

static int
distinct_runs(const AnswerRange *range, OwRunRef *refs)
{
	int			count = 0;

	for (int i = 0; i < range->count; i++)
	{
		if (count == 0 || compare_runs(&refs[count - 1], &range->answers[i]->run) != 0)
			refs[count++] = range->answers[i]->run;
	}
	return count;
}

/* What its run has not taken in, since that only moves in a session of its owner, or has closed before. */
static void
unsettle_rest(const AnswerRange *range)
{
	for (int i = 0; i < range->count; i++)
	{
		if (range->answers[i]->taken && !range->answers[i]->message.taken)
			range->answers[i]->settled = false;
	}
}

static void
unsettle_all(const AnswerRange *range)
{
	for (int i = 0; i < range->count; i++)
		range->answers[i]->settled = false;
}

/* Whoever cancels the statement, or ends the session, means the answer as well. */
static bool
is_for_the_caller(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN;
}

/* If anything goes wrong, nothing has been tried. */
static void
drive_outside(AnswerRange *range, MemoryContext context)
{
	ResourceOwner owner = CurrentResourceOwner;
	int			handed_over = ow_task_offer_count();

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		OwRunRef   *refs;
		OwDriveRest rest;

		MemoryContextSwitchTo(context);
		refs = palloc(sizeof(OwRunRef) * range->count);
		ow_engine_drive_outside(refs, distinct_runs(range, refs), false, context, hand_over_all, range, &rest);
		unsettle_rest(range);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (is_for_the_caller(error))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		ow_task_offer_take_back(handed_over);
		unsettle_all(range);
	}
	PG_END_TRY();
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(context);
}

static void
drive_all(OwAnswer **ordered, int count)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "order_workflow batch", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < count; i += ANSWERS_AT_ONCE)
	{
		AnswerRange range = {.answers = ordered + i, .count = Min(ANSWERS_AT_ONCE, count - i)};

		drive_outside(&range, context);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* ---- storing ---- */

static Jsonb *
with_token(const OwMessage *message)
{
	OwObject	token;

	ow_object_begin(&token);
	ow_object_add_text(&token, "task_token", ow_uuid_to_cstring(&message->task_token));
	return ow_json_merged(message->payload, ow_object_end(&token));
}

static void
store(OwAnswer *answer)
{
	const OwMessage *message = &answer->message;
	OwTaskClaim held = held_by(answer);
	const char *kind = message->kind == OW_INPUT_ACTIVITY_COMPLETED ? "ActivityCompleted" : "ActivityFailed";

	answer->settled = true;
	answer->taken = ow_find_task(&held, &answer->run, &answer->owner) &&
		ow_message_store(&answer->run, answer->owner, kind, &message->task_token, with_token(message), GetUserId());
	if (answer->taken)
		ow_wakeup_run(answer->owner, &answer->run);
}

bool
ow_engine_may_drive(void)
{
	return ow_activity_current(NULL) == NULL && ow_chain_evaluating() == NULL && !IsolationUsesXactSnapshot() &&
		!ow_identity_is_foreign();
}

void
ow_engine_answer(OwAnswer *answers, int count)
{
	bool		drive = ow_engine_may_drive();
	OwAnswer  **ordered;

	if (count == 0)
		return;
	find_runs(answers, count, drive);
	ordered = in_lock_order(answers, &count);
	if (drive)
		drive_all(ordered, count);
	for (int i = 0; i < count; i++)
	{
		if (!ordered[i]->settled)
			store(ordered[i]);
	}
	pfree(ordered);
}
