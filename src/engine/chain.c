/*
 * chain.c
 *		One run's chain of activities and transitions.
 *
 * First try: one subtransaction around the whole chain, because most activities succeed and a
 * subtransaction that writes costs a transaction id.  When an activity after the first fails, the
 * chain is rolled back and driven again carefully, with one subtransaction per activity, so that only
 * the failing one is undone.  (When the first fails, rolling back the chain has undone just that.)
 *
 * In a shared transaction nobody may wait long: when an activity takes longer than
 * order_workflow.batch_wait, or runs into a deadlock or serialization failure with others, the whole
 * chain is rolled back and the run is left for a transaction of its own; no attempt is counted.  So a
 * careful chain in a shared transaction has a subtransaction around all of it as well.  Nor is one
 * counted when a deadlock there may be due to locks of the activities before it: chaining them was our
 * idea, too.
 *
 *		try_chain -> FINISHED
 *				  -> FAILED_LATE	roll back, restore the run, try_chain carefully
 *				  -> INTERFERED		roll back, restore the run, OW_CHAIN_ALONE
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/activity.h"
#include "engine/chain.h"
#include "engine/circuit.h"
#include "engine/clock.h"
#include "engine/guard.h"
#include "engine/message.h"
#include "engine/payload.h"
#include "engine/request.h"
#include "engine/session.h"
#include "engine/span.h"
#include "engine/sql_expression.h"
#include "machine/instant.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "settings.h"
#include "storage/proc.h"
#include "store/flag.h"
#include "store/start.h"
#include "test_kit/test_kit.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/breaker.h"
#include "worker/crash_map.h"
#include "worker/log_lines.h"

/* Of the 64 cached subtransaction ids, leave some to EXCEPTION blocks inside activities. */
#define SUBTRANSACTIONS_PER_BATCH 48

/* After so much memory, in bytes, nothing more is begun in a transaction. */
#define MEMORY_PER_BATCH ((Size) 64 * 1024 * 1024)

typedef enum TryResult
{
	FINISHED,
	FAILED_LATE,
	INTERFERED,
	NEXT_ALONE
} TryResult;

typedef struct SubTransaction
{
	bool		open;
	MemoryContext outer_context;
	ResourceOwner outer_owner;
} SubTransaction;

typedef struct Chain
{
	OwLoadedRun *loaded;
	const OwChainOptions *options;
	OwMachine	machine;
	bool		careful;		/* a subtransaction per activity */
	int			done;			/* activities that have ended, well or not, in this try */
	int			activities;		/* run since the chain's subtransaction was opened */
	SubTransaction whole;		/* around the chain */
	SubTransaction single;		/* carefully: around one activity */
} Chain;

bool
ow_chain_has_room(void)
{
	return MyProc->subxidStatus.count < SUBTRANSACTIONS_PER_BATCH && !MyProc->subxidStatus.overflowed &&
		ow_session_can_defer();
}

static const OwActivity *
find_activity(void *arg, const OwRun *run, const char *name)
{
	const OwCompiled *compiled = ((const Chain *) arg)->loaded->compiled;
	const OwActivity *activity = ow_catalog_activity(name);

	if (activity != NULL && ow_catalog_may_use(compiled->owner, activity, compiled->created_at))
		return activity;
	return ow_test_kit_activity(name);
}

static void
read_outputs(void *arg, int parent, Jsonb **outputs, int count)
{
	ow_run_read_outputs(&((const Chain *) arg)->loaded->ref, parent, outputs, count);
}

static void
load_compensations(void *arg)
{
	ow_run_load_compensations(((const Chain *) arg)->loaded);
}

/* Whose expression was evaluated last */
static const OwRun *evaluating;

const OwRun *
ow_chain_evaluating(void)
{
	return ow_sql_is_evaluating() ? evaluating : NULL;
}

static bool
evaluate(void *arg, const OwRun *run, const OwSqlTemplate *template, const OwSqlScope *scope, Jsonb **value,
		 OwFailure *failure)
{
	evaluating = run;
	return ow_sql_evaluate(template, scope, ((const Chain *) arg)->loaded->owner, value, failure);
}

static int
max_concurrency(void *arg, const OwRun *run)
{
	return ow_map_concurrency;
}

static void
new_task_token(void *arg, const OwRun *run, bool queued, pg_uuid_t *task_token)
{
	ow_task_token_make(run->shard_key, queued, task_token);
}

static void
new_request(void *arg, const OwRun *run, OwRequest *request)
{
	ow_request_address(((const Chain *) arg)->loaded, request);
}

static void
next_run(void *arg, const OwRun *run, bool inherits_version, pg_uuid_t *run_id, int *version)
{
	OwLoadedRun *loaded = ((Chain *) arg)->loaded;
	const OwCompiled *current = inherits_version ? NULL : ow_catalog_choose(run->workflow, run->workflow_id);

	loaded->next = current ? current : loaded->compiled;
	ow_run_id_make(run->shard_key, ow_bucket_for(run->workflow, ow_clock_now()), run_id);
	*version = loaded->next->version;
}

static bool
retry_run(void *arg, const OwRun *run, OwRetryQuestion *question, OwRetryAnswer *answer)
{
	return ow_run_may_retry(((const Chain *) arg)->loaded, question, answer);
}

static bool
fits(void *arg, const OwRun *run, const Jsonb *output)
{
	return VARSIZE(output) <= (Size) ow_max_payload_kb * 1024;
}

/* A transaction that has taken much memory ends soon, and gives it back; a test's goes on. */
bool
ow_chain_has_memory(MemoryContext context)
{
	return ow_clock_is_virtual() || MemoryContextMemAllocated(context, false) < MEMORY_PER_BATCH;
}

static bool
has_room(void *arg)
{
	return ow_chain_has_memory(((const Chain *) arg)->options->context);
}

static OwStep
step(Chain *chain, OwInput *input)
{
	input->now = ow_clock_now();
	return ow_machine_step(&chain->machine, input);
}

/* Flat copies of what a list points to */
static List *
copy_elements(List *list, size_t size)
{
	List	   *copies = NIL;
	ListCell   *cell;

	foreach(cell, list)
	{
		void	   *copy = palloc(size);

		memcpy(copy, lfirst(cell), size);
		copies = lappend(copies, copy);
	}
	return copies;
}

/*
 * A copy that stays as it is while the machine works: it replaces values, but for compensations and
 * branches.
 */
static OwLoadedRun
copy_loaded(const OwLoadedRun *loaded)
{
	OwLoadedRun copy = *loaded;

	copy.run.compensations = copy_elements(loaded->run.compensations, sizeof(OwRecordedCompensation));
	copy.run.ended_compensations = copy_elements(loaded->run.ended_compensations, sizeof(OwRecordedCompensation));
	copy.run.branches = copy_elements(loaded->run.branches, sizeof(OwBranch));
	copy.run.signals = list_copy(loaded->run.signals);
	return copy;
}

static void
begin(SubTransaction *sub)
{
	Assert(!sub->open);
	sub->outer_context = CurrentMemoryContext;
	sub->outer_owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(sub->outer_context);
	sub->open = true;
}

static void
end(SubTransaction *sub, bool commit)
{
	if (!sub->open)
		return;
	if (commit)
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(sub->outer_context);
	CurrentResourceOwner = sub->outer_owner;
	sub->open = false;
}

/* Opens what the next activity runs in, as late as possible: runs without activities need nothing. */
static void
begin_activity(Chain *chain)
{
	if (!chain->whole.open && (!chain->careful || chain->options->shared))
	{
		begin(&chain->whole);
		chain->activities = 0;
	}
	if (chain->careful)
		begin(&chain->single);
	chain->activities++;
}

/* Undoes the failed activity: alone when careful, else with all that ran before it in the chain. */
static void
roll_back_activity(Chain *chain)
{
	end(chain->careful ? &chain->single : &chain->whole, false);
}

typedef struct ActivityOutcome
{
	enum
	{
		ACTIVITY_COMPLETED,
		ACTIVITY_FAILED,
		ACTIVITY_TIMED_OUT,
		ACTIVITY_INTERFERED
	}			kind;
	int64		limit_ms;		/* how long it was given; OW_UNSET: no limit */
	bool		limited_by_batch;	/* that limit was order_workflow.batch_wait */
	bool		overran;
	Jsonb	   *result;
	OwFailure	failure;
} ActivityOutcome;

/*
 * How long the activity may run from now.  In a shared transaction not so long that a deadlock would be
 * detected, whose error the activity may catch.
 */
static void
set_time_limit(const Chain *chain, const OwActivityCall *call, ActivityOutcome *outcome)
{
	int64		batch_wait = Min(ow_batch_wait_ms, DeadlockTimeout);
	int64		limit = call->start_to_close_ms;

	if (call->close_by != DT_NOEND)
	{
		int64		left = Max((call->close_by - ow_clock_now()) / 1000, 1);

		limit = limit == OW_UNSET ? left : Min(limit, left);
	}
	outcome->limited_by_batch = chain->options->shared && (limit == OW_UNSET || limit > batch_wait);
	outcome->limit_ms = outcome->limited_by_batch ? batch_wait : limit;
}

static void
arm(const ActivityOutcome *outcome)
{
	if (outcome->limit_ms != OW_UNSET)
		ow_guard_arm(outcome->limit_ms);
}

static bool
disarm(const ActivityOutcome *outcome)
{
	return outcome->limit_ms != OW_UNSET && ow_guard_disarm();
}

/* The call proper: in a context of its own that goes with everything but the result */
static Jsonb *
call_function(Chain *chain, const OwActivityCall *call)
{
	MemoryContext activity_context = AllocSetContextCreate(chain->options->context, "order_workflow activity",
														   ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(activity_context);
	int			session = ow_session_save();
	Jsonb	   *result;

	SetCurrentStatementStartTimestamp();
	PushActiveSnapshot(GetTransactionSnapshot());
	result = ow_activity_call(call, &chain->loaded->run);
	PopActiveSnapshot();
	ow_session_restore(session);
	ow_session_fire_constraints();
	CommandCounterIncrement();
	MemoryContextSwitchTo(chain->options->context);
	result = ow_json_copy(result);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(activity_context);
	return result;
}

/* What an error that the activity raised means for the chain */
static void
take_error(Chain *chain, const ErrorData *error, ActivityOutcome *outcome)
{
	outcome->kind = ACTIVITY_FAILED;
	ow_activity_failure(error, &outcome->failure);
	if ((chain->options->shared || chain->done > 0) &&
		(error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED || error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE))
		outcome->kind = ACTIVITY_INTERFERED;
}

/* The guard's flag decides, whatever came out of the activity. */
static void
take_overrun(const OwActivityCall *call, ActivityOutcome *outcome)
{
	if (outcome->limited_by_batch)
		outcome->kind = ACTIVITY_INTERFERED;
	else
	{
		outcome->kind = ACTIVITY_TIMED_OUT;
		if (outcome->limit_ms == call->start_to_close_ms)
			(void) ow_fail(&outcome->failure, OW_ERROR_TIMEOUT,
						   "the attempt took longer than its start-to-close timeout of " INT64_FORMAT " ms",
						   outcome->limit_ms);
		else
			(void) ow_fail(&outcome->failure, OW_ERROR_TIMEOUT,
						   "the attempt ran into the task's schedule-to-close timeout or the workflow's");
	}
}

/*
 * Call the function in the subtransaction just begun.  An error is caught and comes back as the
 * outcome, with the activity's work rolled back.  The activity's deferred constraints are fired here as
 * well, as if it had committed: they are its own to answer for, and under its time limit.
 */
static void
call_guarded(Chain *chain, const OwActivityCall *call, ActivityOutcome *outcome)
{
	set_time_limit(chain, call, outcome);
	outcome->kind = ACTIVITY_COMPLETED;
	PG_TRY();
	{
		arm(outcome);
		outcome->result = call_function(chain, call);
		outcome->overran = disarm(outcome);
		if (outcome->overran)
			roll_back_activity(chain);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		outcome->overran = disarm(outcome);
		ow_activity_reset();
		MemoryContextSwitchTo(chain->options->context);
		error = CopyErrorData();
		if (!IsBackgroundWorker && !outcome->overran && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();		/* somebody cancels a test, not the activity */
		FlushErrorState();
		roll_back_activity(chain);
		ow_session_clean();
		take_error(chain, error, outcome);
	}
	PG_END_TRY();
	if (outcome->overran)
		take_overrun(call, outcome);
}

/* True when a test has answered in the activity's place. */
static bool
ask_mocks(Chain *chain, const OwActivityCall *call, ActivityOutcome *outcome)
{
	OwMockOutcome mock;

	memset(&mock, 0, sizeof(mock));
	switch (ow_test_kit_mock(call, &chain->loaded->run, &mock))
	{
		case OW_MOCK_RESULT:
			outcome->kind = ACTIVITY_COMPLETED;
			outcome->result = mock.result;
			return true;
		case OW_MOCK_ERROR:
			outcome->kind = mock.timed_out ? ACTIVITY_TIMED_OUT : ACTIVITY_FAILED;
			outcome->failure = mock.failure;
			return true;
		default:
			return false;
	}
}

/* Run the activity the machine asks for. */
static void
run_activity(Chain *chain, ActivityOutcome *outcome)
{
	const OwActivityCall *call = &chain->machine.call;

	ow_span_forget();
	if (ask_mocks(chain, call, outcome))
		return;
	if (!ow_session_is_of(chain->loaded->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("activity \"%s\" runs only in a session of the workflow's owner", call->activity->name),
				 errdetail("Session user and current user must both be role \"%s\".",
						   GetUserNameFromId(chain->loaded->owner, true)),
				 errhint("Connect as that role, or mock the activity.")));
	begin_activity(chain);
	ow_crash_map_enter(chain->loaded->owner, &chain->loaded->ref, call->activity->name);
	call_guarded(chain, call, outcome);
	ow_crash_map_enter(chain->loaded->owner, &chain->loaded->ref, "");
	end(&chain->single, true);
}

/* What an operator asks of an activity is for all that the run is at of it now. */
static OwStep
feed_control(Chain *chain, OwInput *input)
{
	OwStep		last = OW_STEP_PARKED;
	const char *name = ow_json_get_string(input->request, "activity");
	ListCell   *cell;

	foreach(cell, ow_machine_find_pending(&chain->machine, name))
	{
		input->branch = lfirst_int(cell);
		last = step(chain, input);
	}
	return last;
}

static OwStep
feed_message(Chain *chain, const OwMessage *message)
{
	OwLoadedRun *loaded = chain->loaded;
	OwInput		input = {0};
	OwFailure	failure;

	loaded->updates |= message->kind == OW_INPUT_UPDATE;
	if (!ow_message_input(&loaded->run, message, &input, &failure))
		return OW_STEP_PARKED;
	if (ow_message_is_control(message))
		return feed_control(chain, &input);
	if (message->kind == OW_INPUT_RETRY)
	{
		loaded->crashes = 0;
		if (message->definition_id != 0 && loaded->run.status == OW_STATUS_STUCK)
			ow_run_move(loaded, &chain->machine, message->definition_id);
	}
	return step(chain, &input);
}

/* Is a token's timer due? */
static bool
has_due_timer(const Chain *chain, int *branch)
{
	const OwRun *run = &chain->loaded->run;

	return run->status == OW_STATUS_RUNNING && ow_run_next_timer(run, branch) <= ow_clock_now();
}

/* The timer that is due, as an input.  A start delay that is over is the run's to forget. */
static bool
take_due_timer(Chain *chain, OwInput *input)
{
	OwRun	   *run = &chain->loaded->run;

	if (!has_due_timer(chain, &input->branch))
		return false;
	input->kind = OW_INPUT_TIMER_FIRED;
	if (run->token.phase == OW_PHASE_NEW)
		run->token.due_at = DT_NOEND;
	return true;
}

/* What the run has been waiting for, as inputs for the machine, in the order they count */
static OwStep
feed_waiting(Chain *chain)
{
	OwLoadedRun *loaded = chain->loaded;
	OwRun	   *run = &loaded->run;
	OwInput		input = {.kind = OW_INPUT_CONTINUE};
	ListCell   *cell;

	foreach(cell, loaded->messages)
		((OwMessage *) lfirst(cell))->taken = false;
	if (chain->options->stuck != NULL)
	{
		input.kind = OW_INPUT_STUCK;
		input.failure = chain->options->stuck;
		return step(chain, &input);
	}
	foreach(cell, loaded->messages)
	{
		OwMessage  *message = lfirst(cell);

		/* an update finds the variables that the first states have set */
		if (message->kind == OW_INPUT_UPDATE && run->token.phase == OW_PHASE_NEW && step(chain, &input) == OW_STEP_CLOSED)
			return OW_STEP_CLOSED;
		message->taken = true;
		if (feed_message(chain, message) == OW_STEP_CLOSED)
			return OW_STEP_CLOSED;
	}
	if (run->deadline <= ow_clock_now() && ow_machine_heeds_deadline(run))
		input.kind = OW_INPUT_DEADLINE_REACHED;
	else
		(void) take_due_timer(chain, &input);
	if (run->token.phase == OW_PHASE_NEW && run->token.due_at != DT_NOEND && loaded->messages == NIL)
		return OW_STEP_PARKED;	/* its start delay is not over */
	return step(chain, &input);
}

static OwStep
feed_outcome(Chain *chain, const ActivityOutcome *outcome)
{
	OwInput		input = {.branch = chain->machine.branch ? chain->machine.branch->id : 0};

	input.function_hash = ow_activity_replaced_hash(chain->machine.call.activity, &chain->loaded->run);
	input.span_attributes = ow_span_said();
	if (outcome->kind == ACTIVITY_COMPLETED)
	{
		input.kind = OW_INPUT_ACTIVITY_COMPLETED;
		input.result = outcome->result;
		chain->loaded->crashes = 0; /* it has got past what crashed */
	}
	else
	{
		input.kind = outcome->kind == ACTIVITY_FAILED ? OW_INPUT_ACTIVITY_FAILED : OW_INPUT_ACTIVITY_TIMED_OUT;
		input.failure = &outcome->failure;
	}
	return step(chain, &input);
}

static bool
out_of_time(const Chain *chain)
{
	return (chain->options->stop_at != DT_NOEND && GetCurrentTimestamp() >= chain->options->stop_at) ||
		!ow_chain_has_room() || !ow_chain_has_memory(chain->options->context);
}

/* Does the chain have to stop before the activity the machine offers? */
static bool
must_stop(Chain *chain, TryResult *result)
{
	const OwActivityCall *call = &chain->machine.call;

	if (chain->options->outside)
		*result = FINISHED;
	else if (call->own_transaction && chain->options->shared)
		*result = NEXT_ALONE;
	else if (chain->done > 0 && (call->own_transaction || out_of_time(chain) || ow_activity_sent_to_itself()))
		*result = FINISHED;
	else
		return false;
	chain->loaded->ready = true;
	return true;
}

/* Drives the run as far as it goes; the chain's subtransaction may still be open when it returns. */
static TryResult
try_chain(Chain *chain)
{
	OwRun	   *run = &chain->loaded->run;
	TryResult	result = FINISHED;
	OwStep		next = feed_waiting(chain);
	int			branch;

	for (;;)
	{
		OwInput		timer = {0};
		ActivityOutcome outcome;
		bool		own_transaction = chain->machine.call.own_transaction;

		if (next == OW_STEP_PARKED && !out_of_time(chain) && take_due_timer(chain, &timer))
		{
			next = step(chain, &timer); /* of another branch */
			continue;
		}
		if (next != OW_STEP_ACTIVITY)
			break;

		if (run->deadline <= ow_clock_now() && ow_machine_heeds_deadline(run))
		{
			OwInput		input = {.kind = OW_INPUT_DEADLINE_REACHED};

			next = step(chain, &input);
			continue;
		}
		if (must_stop(chain, &result))
			return result;
		run_activity(chain, &outcome);
		if (outcome.kind == ACTIVITY_INTERFERED && chain->options->shared)
			return INTERFERED;
		if (outcome.kind == ACTIVITY_INTERFERED && chain->careful)
		{
			chain->loaded->ready = true;	/* again without the locks of those before it */
			return FINISHED;
		}
		if (outcome.kind != ACTIVITY_COMPLETED && !chain->careful)
		{
			if (chain->activities > 1)
				return FAILED_LATE;
			chain->careful = true;	/* only the failed activity was undone: go on from here */
		}
		chain->done++;
		next = feed_outcome(chain, &outcome);
		if (own_transaction && next == OW_STEP_ACTIVITY)
			next = OW_STEP_YIELD;
	}
	/* a timer that is due has been taken off the pool's: nobody would look at it again */
	chain->loaded->ready = next == OW_STEP_YIELD || (next == OW_STEP_PARKED && has_due_timer(chain, &branch));
	return result;
}

static TryResult
one_try(Chain *chain, bool careful)
{
	static OwHost host = {
		.find_activity = find_activity,
		.read_outputs = read_outputs,
		.load_compensations = load_compensations,
		.evaluate = evaluate,
		.new_task_token = new_task_token,
		.new_request = new_request,
		.next_run = next_run,
		.read_flag = ow_flag_read,
		.retry_run = retry_run,
		.max_concurrency = max_concurrency,
		.check_output = ow_payload_check_output,
		.fits = fits,
		.may_attempt = ow_circuit_may_attempt,
		.attempt_ended = ow_circuit_attempt_ended,
		.has_room = has_room
	};
	OwMachine  *machine = &chain->machine;
	TryResult	result;

	host.arg = chain;
	host.max_transitions = ow_max_transitions;
	host.transition_limit = ow_transition_limit;
	*machine = ow_run_machine(chain->loaded, &host);
	machine->context = chain->options->context;
	chain->careful = careful;
	chain->activities = 0;
	chain->done = 0;
	result = try_chain(chain);
	end(&chain->whole, result != FAILED_LATE && result != INTERFERED);
	return result;
}

/*
 * Drive the run.  Called in a transaction, outside a store section, with the run's row locked.  After
 * it, loaded->events holds what history gains.
 */
OwChainResult
ow_chain_drive(OwLoadedRun *loaded, const OwChainOptions *options)
{
	MemoryContext previous = MemoryContextSwitchTo(options->context);
	Chain		chain = {.loaded = loaded, .options = options};
	OwLoadedRun before = copy_loaded(loaded);

	/*
	 * On a test's clock each call counts: calls must not be made, mocks not used up, twice.  And
	 * where something crashes the server, it should be known which activity it is.
	 */
	bool		careful = ow_clock_is_virtual() || loaded->crashes > 0;
	int			outcomes = ow_breaker_mark();
	int			lines = ow_log_lines_mark();
	TryResult	result;

	if (options->outside && !ow_chain_may_drive_outside(loaded, options->evaluates))
	{
		MemoryContextSwitchTo(previous);
		return OW_CHAIN_ALONE;
	}

	/* without an activity: what the machine does with the run's data is on the run's account */
	ow_crash_map_enter(loaded->owner, &loaded->ref, "");
	result = one_try(&chain, careful);
	if (result == FAILED_LATE)
	{
		*loaded = copy_loaded(&before);
		ow_breaker_forget(outcomes);
		ow_log_lines_forget(lines);
		result = one_try(&chain, true);
	}
	if (result == INTERFERED)
	{
		*loaded = before;
		ow_breaker_forget(outcomes);
		ow_log_lines_forget(lines);
	}
	ow_crash_map_leave();
	MemoryContextSwitchTo(previous);
	Assert(result != FAILED_LATE);
	if (result == INTERFERED)
		return OW_CHAIN_ALONE;
	loaded->events = chain.machine.events;
	return result == NEXT_ALONE ? OW_CHAIN_DONE_THEN_ALONE : OW_CHAIN_DONE;
}
