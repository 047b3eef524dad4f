/*
 * drive.c
 *		Drives a run through the machine as a script says, then replays its history.
 *
 * This, host.c and run_state.c are what knows the machine's insides.  The script's lines:
 *
 *		= JSON			the activity completes with this result
 *		! Error cause	it fails; "!n" not to be retried, "!+250" to be retried after 250 ms
 *		t				it times out
 *		a = JSON		whoever has the first task token answers, or with "a ! Error cause"
 *		h JSON			they are still at it; of a task outside: somebody takes it, then is still at it
 *		c reason		the run is canceled
 *		x reason		it is terminated
 *		d				it runs into its deadline
 *		s Error			the shell cannot go on
 *		r				an operator lets it try again, once it is stuck
 *		k				an operator lets its failed compensations try again
 *		P reason		the run is paused
 *		U				it is resumed
 *		S JSON			its search attributes are changed
 *		g 0 5 JSON		it is sent a signal, the first that is declared, so many seconds ago
 *		q 0 5 JSON		it is sent an update, the same way; it must be settled or buffered, and leave no event if it is rejected
 *		b Failed Error	another workflow answers the first request that waits: Started, Completed JSON, Failed,
 *						Canceled, Terminated, TimedOut, Refused, Accepted; Detached: a child that nobody waits for ends
 *		p 1 reason		the activity of a token is paused: of the run's own (0), or its branches'
 *		u 1				it is resumed
 *		e 1 kh			it is reset, kept paused (k), heartbeats forgotten (h)
 *		o 1 JSON		it gets other options
 *		z reason		it is reset to where it is: as another run from then on
 *		m				it is upgraded, to the version that it is on, where it can be
 *		y				it is looked at, though nothing happened
 *		l				it is stored and loaded again
 *		w 3600			time passes
 *		v				history must lead to where it is now (as it must in the end)
 *
 * In half of the cases, activities whose names have an odd length are done outside.  In a quarter, some attempts
 * are rejected, as by an open circuit breaker.
 *
 * An outcome waits for the next activity.  Where the script says nothing, activities complete with their
 * input, timers fire, task tokens and requests are answered, what is paused is resumed, and a run that is stuck is retried.
 */
#include "postgres.h"

#include <math.h>

#include "drive.h"
#include "fuzz.h"
#include "machine/replay.h"
#include "request.h"

#define MAX_STEPS 200			/* then the run is terminated */
#define STARTED_AT (INT64CONST(946684800) * USECS_PER_SEC)	/* 2030 */

/* ---- inputs ---- */

/* The first token that waits for an answer; NULL */
static const OwToken *
waiting_task(const OwRun *run, int *branch)
{
	ListCell   *cell;

	*branch = 0;
	if (run->token.phase == OW_PHASE_CALLBACK || ow_token_is_queued(&run->token))
		return &run->token;
	foreach(cell, run->branches)
	{
		const OwBranch *candidate = lfirst(cell);

		*branch = candidate->id;
		if (candidate->token.phase == OW_PHASE_CALLBACK || ow_token_is_queued(&candidate->token))
			return &candidate->token;
	}
	return NULL;
}

/* A token that is paused; NULL */
static const OwToken *
paused_token(const OwRun *run, int *branch)
{
	ListCell   *cell;

	*branch = 0;
	if (ow_token_is_paused(&run->token))
		return &run->token;
	foreach(cell, run->branches)
	{
		const OwBranch *candidate = lfirst(cell);

		*branch = candidate->id;
		if (ow_token_is_paused(&candidate->token))
			return &candidate->token;
	}
	return NULL;
}

/* What must hold after a step, whatever came before it */
static void
check_step(const Drive *drive)
{
	const OwRun *run = drive->machine.run;
	int			branch;

	if ((drive->step == OW_STEP_CLOSED) != (run->token.phase == OW_PHASE_CLOSED))
		fuzz_finding("a step says %d in phase %s", drive->step, ow_phase_name(run->token.phase));
	if ((drive->step == OW_STEP_STUCK) != (run->status == OW_STATUS_STUCK))
		fuzz_finding("a step says %d in status %s", drive->step, ow_status_name(run->status));
	if (drive->step == OW_STEP_CLOSED && (run->status < OW_STATUS_COMPLETED || !run->outcome.decided))
		fuzz_finding("a run is closed in status %s", ow_status_name(run->status));
	if (drive->step == OW_STEP_PARKED && run->status != OW_STATUS_PAUSED && ow_run_next_timer(run, &branch) == DT_NOEND &&
		waiting_task(run, &branch) == NULL && fuzz_request_waiting(run, &branch) == NULL && paused_token(run, &branch) == NULL &&
		!fuzz_run_awaits_signal(run))
		fuzz_finding("a run waits for nothing in phase %s", ow_phase_name(run->token.phase));
	if (drive->step == OW_STEP_ACTIVITY && ow_token_is_paused(drive->machine.token))
		fuzz_finding("an activity is called though it is paused");
	if (drive->step == OW_STEP_ACTIVITY && (drive->machine.call.activity == NULL || drive->machine.call.input == NULL))
		fuzz_finding("an activity is called without input");
}

static void
store_and_load(Drive *drive)
{
	OwMachine  *machine = &drive->machine;
	List	   *events = machine->events;

	fuzz_run_store_and_load(&drive->store, machine->run, machine->definition);
	*machine = (OwMachine) {
		.definition = machine->definition,
		.host = machine->host,
		.run = machine->run,
		.context = machine->context,
		.events = events
	};
}

/* Metrics of a run that has closed are good, or said not to be, and leave no trace in it. */
static void
measure(const Drive *drive)
{
	OwMachine	machine = drive->machine;
	const OwDefinition *definition = machine.definition;
	int			next_event_id = machine.run->next_event_id;

	for (int i = 0; drive->step == OW_STEP_CLOSED && i < definition->nmeasures; i++)
	{
		const OwMeasure *measure = &definition->measures[i];
		const char **labels = palloc0(sizeof(char *) * Max(measure->nlabels, 1));
		double		value;
		OwMeasureFault fault = ow_machine_measure(&machine, measure, &value, labels);

		if (fault == OW_MEASURE_GOOD && (isnan(value) || isinf(value)))
			fuzz_finding("metric \"%s\" is %g", measure->name, value);
		for (int label = 0; fault == OW_MEASURE_GOOD && label < measure->nlabels; label++)
		{
			if (labels[label] == NULL)
				fuzz_finding("metric \"%s\" has no label \"%s\"", measure->name, measure->labels[label].name);
		}
	}
	if (machine.run->next_event_id != next_event_id || machine.events != drive->machine.events)
		fuzz_finding("a metric was recorded in history");
}

/* What a machine has offered is gone once it is loaded again: it has to offer it again. */
static void
feed(Drive *drive, OwInput *input)
{
	drive->now += drive->tick;
	input->now = drive->now;
	drive->step = ow_machine_step(&drive->machine, input);
	check_step(drive);
	measure(drive);
	if (!drive->forgetful || drive->step == OW_STEP_CLOSED)
		return;
	store_and_load(drive);
	if (drive->step != OW_STEP_ACTIVITY)
		return;
	drive->step = ow_machine_step(&drive->machine, &(OwInput) {.kind = OW_INPUT_CONTINUE, .now = drive->now});
	if (drive->step != OW_STEP_ACTIVITY)
		fuzz_finding("an activity is not offered again");
}

static void
feed_kind(Drive *drive, OwInputKind kind, const char *reason)
{
	OwInput		input = {.kind = kind, .reason = reason, .requested_by = "fuzz"};

	feed(drive, &input);
}

static int
called_branch(const Drive *drive)
{
	return drive->machine.branch ? drive->machine.branch->id : 0;
}

/* Functions are replaced as time goes by. */
static const char *
replaced_hash(const Drive *drive)
{
	return drive->now / USECS_PER_SEC % 4 == 3 ? "0123456789abcdef" : NULL;
}

/* Now and then they have something to say of their span. */
static Jsonb *
said_of_span(const Drive *drive)
{
	return drive->now / USECS_PER_SEC % 3 == 1 ? ow_json_with_member(NULL, "euros", ow_json_int(12)) : NULL;
}

static void
feed_failure(Drive *drive, OwInputKind kind, int branch, OwFailure *failure)
{
	OwInput		input = {.kind = kind, .branch = branch, .failure = failure};

	input.function_hash = replaced_hash(drive);
	input.span_attributes = said_of_span(drive);
	feed(drive, &input);
}

/* "n" and "+250" in front, the error's name, and after a space its cause */
static void
feed_failed(Drive *drive, int branch, const char *words)
{
	OwFailure	failure = {.next_retry_delay_ms = OW_UNSET};
	const char *space;

	if (*words == 'n')
	{
		failure.non_retryable = true;
		words++;
	}
	if (*words == '+')
		failure.next_retry_delay_ms = strtoul(words + 1, unconstify(char **, &words), 10) % PG_INT32_MAX;
	words += strspn(words, " ");
	space = strchr(words, ' ');
	failure.error = space == NULL ? pstrdup(words) : pnstrdup(words, space - words);
	failure.cause = space == NULL ? NULL : pstrdup(space + 1);
	failure.details = space == NULL ? NULL : ow_json_text(space + 1);
	feed_failure(drive, OW_INPUT_ACTIVITY_FAILED, branch, &failure);
}

static void
feed_result(Drive *drive, int branch, Jsonb *result)
{
	OwInput		input = {.kind = OW_INPUT_ACTIVITY_COMPLETED, .branch = branch, .result = result};

	input.function_hash = replaced_hash(drive);
	input.span_attributes = said_of_span(drive);
	feed(drive, &input);
}

static void
feed_timeout(Drive *drive)
{
	OwFailure	failure;

	(void) ow_fail(&failure, OW_ERROR_TIMEOUT, "the attempt took too long");
	feed_failure(drive, OW_INPUT_ACTIVITY_TIMED_OUT, called_branch(drive), &failure);
}

/* A request about an activity; how it is done depends on the kind. */
static void
feed_request(Drive *drive, OwInputKind kind, int branch, const Jsonb *request, const char *reason)
{
	OwInput		input = {
		.kind = kind, .branch = branch, .request = request, .reason = reason, .requested_by = "fuzz"
	};

	feed(drive, &input);
}

static void feed_signal(Drive *drive, int index, int seconds_ago, Jsonb *payload);
static void feed_update(Drive *drive, int index, int seconds_ago, Jsonb *payload);

static void
feed_timer(Drive *drive)
{
	OwRun	   *run = drive->machine.run;
	OwInput		input = {.kind = OW_INPUT_TIMER_FIRED};

	drive->now = Max(drive->now, ow_run_next_timer(run, &input.branch));
	feed(drive, &input);
}

/* An answer of another workflow */
static void
feed_request_answer(Drive *drive, const char *words)
{
	OwInput		input = {0};
	const OwToken *token = fuzz_request_waiting(drive->machine.run, &input.branch);

	if (strcmp(words, "Detached") == 0)
	{
		token = NULL;
		input.branch = 0;
	}
	if (fuzz_request_answer(drive->machine.definition, token, words, &input))
		feed(drive, &input);
}

/* What happens when the script says nothing */
static void
feed_what_comes(Drive *drive)
{
	OwRun	   *run = drive->machine.run;
	int			branch;

	if (drive->now >= run->deadline && ow_machine_heeds_deadline(run))
		feed_kind(drive, OW_INPUT_DEADLINE_REACHED, NULL);
	else if (drive->step == OW_STEP_ACTIVITY)
		feed_result(drive, called_branch(drive), drive->machine.call.input);
	else if (drive->step == OW_STEP_STUCK)
	{
		drive->operator_came = true;
		feed_kind(drive, OW_INPUT_RETRY, NULL);
	}
	else if (run->status == OW_STATUS_PAUSED && drive->step != OW_STEP_CLOSED)
		feed_kind(drive, OW_INPUT_RESUME, NULL);
	else if (drive->step == OW_STEP_PARKED && waiting_task(run, &branch) != NULL)
		feed_result(drive, branch, ow_json_empty_object());
	else if (drive->step == OW_STEP_PARKED && fuzz_request_waiting(run, &branch) != NULL)
		feed_request_answer(drive, "");
	else if (drive->step == OW_STEP_PARKED && paused_token(run, &branch) != NULL)
		feed_request(drive, OW_INPUT_RESUME_ACTIVITY, branch, ow_json_empty_object(), NULL);
	else if (drive->step == OW_STEP_PARKED && ow_run_next_timer(run, &branch) == DT_NOEND)
	{
		feed_update(drive, drive->signals, 0, ow_json_empty_object());
		feed_signal(drive, drive->signals++, 0, ow_json_empty_object());
	}
	else if (drive->step == OW_STEP_PARKED)
		feed_timer(drive);
	else
		feed_kind(drive, OW_INPUT_CONTINUE, NULL);
}

/* ---- replay ---- */

static const OwDefinition *
same_definition(void *arg, int version)
{
	return arg;
}

static void
compare(const char *live, const char *replayed)
{
	const char *live_line = live;
	const char *replayed_line = replayed;

	for (; *live && *live == *replayed; live++, replayed++)
	{
		if (*live != '\n')
			continue;
		live_line = live + 1;
		replayed_line = replayed + 1;
	}
	if (*live != *replayed)
		fuzz_finding("replayed state differs in %.*s\nlive:     %.*s\nreplayed: %.*s",
					 (int) strcspn(live_line, ":"), live_line, (int) strcspn(live_line, "\n"), live_line,
					 (int) strcspn(replayed_line, "\n"), replayed_line);
}

/* Does history lead to where the run is? */
static void
replay(const Drive *drive)
{
	OwRun		run;
	OwMachine	machine = {.definition = drive->machine.definition, .run = &run, .context = CurrentMemoryContext};
	OwReplay	again = {
		.events = drive->machine.events,
		.definition_for = same_definition,
		.arg = unconstify(OwDefinition *, machine.definition)
	};

	fuzz_run_start(&run, machine.definition, drive->run.input, STARTED_AT);
	if (!ow_history_replay(&machine, &again))
		fuzz_finding("replay: %s", again.difference);
	else
		compare(fuzz_run_describe(&drive->run, &drive->store, machine.definition),
				fuzz_run_describe(&run, NULL, machine.definition));
}

/* ---- the script ---- */

static char *
next_line(Drive *drive)
{
	size_t		length = strcspn(drive->script, "\n");
	char	   *line = pnstrdup(drive->script, length);

	drive->script += length + (drive->script[length] == '\n');
	return line;
}

static bool
is_outcome(const char *line)
{
	return line[0] == '=' || line[0] == '!' || line[0] == 't';
}

/* A result, or a failure; words that are neither are what comes when the script says nothing. */
static void
feed_outcome(Drive *drive, int branch, const char *line)
{
	Jsonb	   *result = line[0] == '=' ? ow_json_parse(line + 1) : NULL;

	if (result != NULL)
		feed_result(drive, branch, result);
	else if (line[0] == '!')
		feed_failed(drive, branch, line + 1);
	else
		feed_what_comes(drive);
}

static void
feed_answer(Drive *drive, const char *words)
{
	int			branch;

	if (waiting_task(drive->machine.run, &branch) != NULL && drive->step != OW_STEP_STUCK)
		feed_outcome(drive, branch, words);
}

/* Is no step of the run */
static void
beat_outside(const Drive *drive, OwToken *token, Jsonb *details)
{
	if (token->lease == NULL)
	{
		token->lease = palloc0(sizeof(OwLease));
		token->lease->started_at = drive->now;
		token->lease->beat_at = DT_NOBEGIN;
		return;
	}
	token->lease->beat_at = drive->now;
	token->lease->details = details;
}

static void
feed_heartbeat(Drive *drive, const char *words)
{
	OwInput		input = {.kind = OW_INPUT_HEARTBEAT, .details = ow_json_parse(words)};
	const OwToken *token = waiting_task(drive->machine.run, &input.branch);

	if (token != NULL && ow_token_is_queued(token))
		beat_outside(drive, unconstify(OwToken *, token), input.details);
	else if (token != NULL && drive->step != OW_STEP_STUCK)
		feed(drive, &input);
}

/* Sends one of the signals that the definition declares; in half of the cases there is a request id. */
static void
feed_signal(Drive *drive, int index, int seconds_ago, Jsonb *payload)
{
	const OwDefinition *definition = drive->machine.definition;
	OwInput		input = {.kind = OW_INPUT_SIGNAL, .requested_by = "fuzz", .details = payload};

	if (definition->nsignals == 0)
		return;
	input.signal = definition->signals[index % definition->nsignals].name;
	input.sent_at = drive->now - seconds_ago * USECS_PER_SEC;
	input.request_id = index % 2 ? "again" : NULL;
	feed(drive, &input);
}

static const OwUpdateOutcome *
find_outcome(const OwRun *run, const char *update_id)
{
	ListCell   *cell;

	foreach(cell, run->update_outcomes)
	{
		const OwUpdateOutcome *outcome = lfirst(cell);

		if (strcmp(outcome->update_id, update_id) == 0)
			return outcome;
	}
	return NULL;
}

/* The first outcome of an update tells whether it was accepted; of one that was not, nothing else remains. */
static void
check_update(const Drive *drive, const char *update_id, int events)
{
	const OwUpdateOutcome *outcome = find_outcome(drive->machine.run, update_id);
	const OwHistoryEvent *first = list_length(drive->machine.events) > events ? list_nth(drive->machine.events, events) : NULL;
	bool		accepted = first != NULL && strcmp(first->type, "WorkflowExecutionUpdateAccepted") == 0;

	if (outcome == NULL)
		fuzz_finding("nothing became of an update");
	else if ((outcome->status != OW_UPDATE_REJECTED) != accepted)
		fuzz_finding("an update is %s, and its event is %s", ow_update_status_name(outcome->status),
					 accepted ? "there" : "not");
}

static void
feed_update(Drive *drive, int index, int seconds_ago, Jsonb *payload)
{
	const OwDefinition *definition = drive->machine.definition;
	OwInput		input = {.kind = OW_INPUT_UPDATE, .requested_by = "fuzz", .details = payload};
	int			events = list_length(drive->machine.events);
	bool		begun = drive->run.token.phase != OW_PHASE_NEW && drive->run.token.phase != OW_PHASE_CLOSED;

	if (definition->nupdates == 0)
		return;
	input.signal = definition->updates[index % definition->nupdates].name;
	input.update_id = psprintf("update %d", drive->updates++);
	input.sent_at = drive->now - seconds_ago * USECS_PER_SEC;
	feed(drive, &input);
	if (begun)
		check_update(drive, input.update_id, events);
}

/* A signal's or update's: which one, when, and with what */
static void
feed_sent_line(Drive *drive, const char *words, void (*send) (Drive *drive, int index, int seconds_ago, Jsonb *payload))
{
	char	   *rest;
	int			index = (int) (strtoul(words, &rest, 10) % 100);
	int			seconds_ago = (int) (strtoul(rest, &rest, 10) % 10000);

	send(drive, index, seconds_ago, ow_json_parse(rest));
}

/* The message comes with a run that was just loaded, or opened again. */
static void
retry_compensations(Drive *drive)
{
	if (!fuzz_run_has_failed_compensation(&drive->run, &drive->store))
		return;
	store_and_load(drive);
	fuzz_run_load_all_compensations(&drive->store, &drive->run);
	feed_kind(drive, OW_INPUT_RETRY_COMPENSATIONS, NULL);
}

/* The token of that number, the run's own first: its branch's id */
static int
branch_number(const OwRun *run, unsigned long number)
{
	number %= list_length(run->branches) + 1;
	return number == 0 ? 0 : ((OwBranch *) list_nth(run->branches, number - 1))->id;
}

/* The options are as workflow.update_activity_options lets them through. */
static void
feed_options(Drive *drive, int branch, const char *words)
{
	Jsonb	   *options = ow_json_parse(words);
	OwProblems	problems = {0};
	OwObject	request;

	if (options == NULL)
		return;
	ow_task_options_check_override(options, "options", &problems);
	if (problems.errors > 0)
		return;
	ow_object_begin(&request);
	ow_object_add(&request, "options", options);
	feed_request(drive, OW_INPUT_ACTIVITY_OPTIONS, branch, ow_object_end(&request), NULL);
}

/* What an operator asks of an activity */
static void
feed_control(Drive *drive, char what, const char *words)
{
	char	   *rest;
	int			branch = branch_number(drive->machine.run, strtoul(words, &rest, 10));
	OwObject	request;

	rest += strspn(rest, " ");
	if (what == 'o')
	{
		feed_options(drive, branch, rest);
		return;
	}
	ow_object_begin(&request);
	ow_object_add_bool(&request, "keep_paused", strchr(rest, 'k') != NULL);
	ow_object_add_bool(&request, "reset_heartbeat", strchr(rest, 'h') != NULL);
	feed_request(drive, what == 'p' ? OW_INPUT_PAUSE_ACTIVITY : what == 'u' ? OW_INPUT_RESUME_ACTIVITY : OW_INPUT_RESET_ACTIVITY,
				 branch, ow_object_end(&request), what == 'p' && *rest ? rest : NULL);
}

/* What was stored is the other run's, which the test does not look at again. */
static void
feed_reset(Drive *drive, const char *reason)
{
	pg_uuid_t	run_id = drive->run.run_id;
	OwInput		input = {.kind = OW_INPUT_RESET, .reason = reason, .requested_by = "fuzz", .new_run_id = &run_id};

	if (drive->step == OW_STEP_CLOSED)
		return;
	run_id.data[0]++;
	input.deadline = drive->run.deadline;
	feed(drive, &input);
}

static void
feed_upgrade(Drive *drive)
{
	OwInput		input = {.kind = OW_INPUT_UPGRADE, .requested_by = "fuzz", .definition = drive->machine.definition};

	if (drive->step == OW_STEP_CLOSED || ow_machine_is_busy(&drive->machine) != NULL)
		return;
	if (ow_machine_no_place(&drive->machine, input.definition, NULL) != NULL)
		fuzz_finding("a run has no place in its own version");
	input.version = drive->run.version;
	feed(drive, &input);
}

/* What they are the machine does not look at. */
static void
feed_search_attributes(Drive *drive, const char *words)
{
	OwInput		input = {.kind = OW_INPUT_SEARCH_ATTRIBUTES, .requested_by = "fuzz", .details = ow_json_parse(words)};

	if (input.details != NULL && JB_ROOT_IS_OBJECT(input.details))
		feed(drive, &input);
}

/* Messages and what else happens at any time; lines that say nothing sensible do nothing. */
static void
feed_line(Drive *drive, const char *line)
{
	OwRun	   *run = drive->machine.run;
	const char *words = line[0] == '\0' ? line : line + 1 + strspn(line + 1, " ");
	const char *reason = *words ? words : NULL;
	OwFailure	failure = {.error = pstrdup(words), .cause = "the shell cannot go on", .next_retry_delay_ms = OW_UNSET};

	switch (line[0])
	{
		case 'a':
			feed_answer(drive, words);
			break;
		case 'h':
			feed_heartbeat(drive, words);
			break;
		case 'c':
			feed_kind(drive, OW_INPUT_CANCEL, reason);
			break;
		case 'x':
			feed_kind(drive, OW_INPUT_TERMINATE, reason);
			break;
		case 'd':
			if (run->deadline == DT_NOEND || !ow_machine_heeds_deadline(run))
				break;
			drive->now = Max(drive->now, run->deadline);
			feed_kind(drive, OW_INPUT_DEADLINE_REACHED, NULL);
			break;
		case 's':
			feed_failure(drive, OW_INPUT_STUCK, 0, &failure);
			break;
		case 'r':
			drive->operator_came = true;
			feed_kind(drive, OW_INPUT_RETRY, NULL);
			break;
		case 'k':
			retry_compensations(drive);
			break;
		case 'S':
			feed_search_attributes(drive, words);
			break;
		case 'P':
			feed_kind(drive, OW_INPUT_PAUSE, reason);
			break;
		case 'U':
			feed_kind(drive, OW_INPUT_RESUME, reason);
			break;
		case 'g':
			feed_sent_line(drive, words, feed_signal);
			break;
		case 'q':
			feed_sent_line(drive, words, feed_update);
			break;
		case 'b':
			feed_request_answer(drive, words);
			break;
		case 'p':
		case 'u':
		case 'e':
		case 'o':
			feed_control(drive, line[0], words);
			break;
		case 'z':
			feed_reset(drive, reason);
			break;
		case 'm':
			feed_upgrade(drive);
			break;
		case 'y':
			feed_kind(drive, OW_INPUT_CONTINUE, NULL);
			break;
		case 'l':
			if (drive->step == OW_STEP_CLOSED)
				break;
			store_and_load(drive);
			feed_kind(drive, OW_INPUT_CONTINUE, NULL);
			break;
		case 'v':
			replay(drive);
			break;
		case 'w':
			drive->now += (int64) (strtoul(words, NULL, 10) % PG_INT32_MAX) * USECS_PER_SEC;
			break;
	}
}

/* ---- the whole ---- */

static void
drive_run(Drive *drive)
{
	feed_kind(drive, OW_INPUT_CONTINUE, NULL);
	for (int steps = 0; steps < MAX_STEPS; steps++)
	{
		if (drive->step == OW_STEP_CLOSED && (*drive->script == '\0' || !fuzz_run_has_failed_compensation(&drive->run, &drive->store)))
			return;
		if (*drive->script == '\0' || (is_outcome(drive->script) && drive->step != OW_STEP_ACTIVITY &&
									   drive->step != OW_STEP_CLOSED))
			feed_what_comes(drive);
		else if (is_outcome(drive->script) && drive->step == OW_STEP_ACTIVITY)
		{
			const char *line = next_line(drive);

			if (line[0] == 't')
				feed_timeout(drive);
			else
				feed_outcome(drive, called_branch(drive), line);
		}
		else
			feed_line(drive, next_line(drive));
	}
	if (drive->step == OW_STEP_CLOSED)
		return;
	feed_kind(drive, OW_INPUT_TERMINATE, "enough");
	if (drive->step != OW_STEP_CLOSED)
		fuzz_finding("a terminated run is not closed");
}

void
fuzz_drive(const FuzzCase *fuzz_case, const OwDefinition *definition, Jsonb *input)
{
	Drive		drive = {.script = fuzz_case->script, .now = STARTED_AT};
	OwMismatches mismatches = {0};

	if (!fuzz_host_fits(definition->input_type, input, &mismatches))
		return;

	/*
	 * the virtual clock of a test stands still, and replay must tell one step from the next even
	 * so
	 */
	drive.tick = fuzz_case->hash & 1 ? 0 : 1234;
	drive.forgetful = fuzz_case->hash & 2;
	fuzz_host_begin(&drive, fuzz_case->hash);
	fuzz_run_start(&drive.run, definition, input, STARTED_AT);
	drive.machine.definition = definition;
	drive.machine.host = &drive.host;
	drive.machine.run = &drive.run;
	drive.machine.context = CurrentMemoryContext;
	drive_run(&drive);
	replay(&drive);
}
