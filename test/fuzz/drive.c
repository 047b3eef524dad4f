/*
 * drive.c
 *		Drives a run through the machine as a script says, then replays its history.
 *
 * The only part of the fuzz target that knows the machine's insides.  The script's lines:
 *
 *		= JSON			the activity completes with this result
 *		! Error cause	it fails; "!n" not to be retried, "!+250" to be retried after 250 ms
 *		t				it times out
 *		c reason		the run is canceled
 *		x reason		it is terminated
 *		d				it runs into its deadline
 *		s Error			the shell cannot go on
 *		r				an operator lets it try again, once it is stuck
 *		k				an operator lets its failed compensations try again
 *		y				it is looked at, though nothing happened
 *		l				it is stored and loaded again
 *		w 3600			time passes
 *
 * An outcome waits for the next activity.  Where the script says nothing, activities complete with their
 * input, timers fire, and a run that is stuck is retried.
 */
#include "postgres.h"

#include "fuzz.h"
#include "lib/stringinfo.h"
#include "machine/instant.h"
#include "machine/replay.h"
#include "utils/timestamp.h"

#define MAX_STEPS 150			/* then the run is terminated */
#define MAX_TRANSITIONS 20		/* before a run yields */
#define STARTED_AT (INT64CONST(946684800) * USECS_PER_SEC)	/* 2030 */

typedef struct Drive
{
	OwMachine	machine;
	OwRun		run;
	OwHost		host;
	OwActivity	activity;
	bool		operator_came;	/* what was missing has been registered */
	int64		tick;			/* microseconds from one input to the next */
	TimestampTz now;
	const char *script;			/* what is left of it */
	OwStep		step;
} Drive;

/* Every activity exists, but for those called Missing…, until an operator comes. */
static const OwActivity *
find_activity(void *arg, const char *name)
{
	const Drive *drive = arg;

	return strncmp(name, "Missing", 7) == 0 && !drive->operator_came ? NULL : &drive->activity;
}

/* ---- what a run is ---- */

static void
put_json(StringInfo out, const char *name, const Jsonb *json)
{
	appendStringInfo(out, "%s: %s\n", name, json ? ow_json_to_cstring(json) : "none");
}

static void
put_token(StringInfo out, const OwToken *token)
{
	appendStringInfo(out, "state: %d\nphase: %s\nattempt: %d\ncompensation: %d\n", token->state,
					 ow_phase_name(token->phase), token->attempt, token->compensation);
	appendStringInfo(out, "entered: " INT64_FORMAT "\nscheduled: " INT64_FORMAT "\ndue: " INT64_FORMAT "\n",
					 token->entered_at, token->scheduled_at, token->due_at);
	for (int i = 0; i < OW_MAX_RETRIERS; i++)
		appendStringInfo(out, "retries by retrier: %d\n", token->retry_counts[i]);
	put_json(out, "data", token->data);
	put_json(out, "last failure", token->last_failure);
	put_json(out, "stored result", token->result);
}

static void
put_compensation(StringInfo out, const OwRecordedCompensation *compensation)
{
	appendStringInfo(out, "compensation: %d %s %s %s %d " INT64_FORMAT " " INT64_FORMAT "\n",
					 compensation->sequence, compensation->state, compensation->activity,
					 ow_compensation_status_name(compensation->status), compensation->attempts,
					 compensation->recorded_at, compensation->closed_at);
	put_json(out, "its input", compensation->input);
	put_json(out, "what it compensates", compensation->compensates);
	put_json(out, "its failure", compensation->failure);
}

/* The run as text, a field a line */
static char *
describe_run(const OwMachine *machine)
{
	const OwRun *run = machine->run;
	StringInfoData out;
	ListCell   *cell;

	initStringInfo(&out);
	appendStringInfo(&out, "status: %s\nsticky status: %s\nhandler taken: %d\ncancel requested: %d\n",
					 ow_status_name(run->status), ow_status_name(run->sticky_status), run->handler_taken,
					 run->cancel_requested);
	appendStringInfo(&out, "next event: %d\ndeadline: " INT64_FORMAT "\n", run->next_event_id, run->deadline);
	put_token(&out, &run->token);
	put_json(&out, "visits", ow_machine_visits(run, machine->definition));
	put_json(&out, "variables", run->variables);
	put_json(&out, "execution error", run->error);
	put_json(&out, "stuck", run->stuck);
	appendStringInfo(&out, "outcome: %d %s %s %s\n", run->outcome.decided, ow_status_name(run->outcome.status),
					 run->outcome.error ? run->outcome.error : "none", run->outcome.cause ? run->outcome.cause : "none");
	put_json(&out, "output", run->outcome.output);
	put_json(&out, "public error", run->outcome.public_error);
	foreach(cell, run->compensations)
	{
		const OwRecordedCompensation *compensation = lfirst(cell);

		if (compensation->status != OW_COMPENSATION_DROPPED)
			put_compensation(&out, compensation);
	}
	return out.data;
}

static void
start_run(OwRun *run, const OwDefinition *definition, Jsonb *input)
{
	memset(run, 0, sizeof(*run));
	memset(run->run_id.data, 0x5A, UUID_LEN);
	run->root_run_id = run->run_id;
	run->workflow_id = "fuzz-1";
	run->workflow = "fuzz";
	run->owner = "fuzz";
	run->version = 1;
	run->started_at = STARTED_AT;
	run->deadline = definition->timeout_ms == OW_UNSET ? DT_NOEND :
		ow_instant_add_ms(STARTED_AT, definition->timeout_ms);
	run->input = input;
	run->status = OW_STATUS_RUNNING;
	run->sticky_status = OW_STATUS_RUNNING;
	run->next_event_id = 1;
	run->token.state = OW_NO_STATE;
	run->token.phase = OW_PHASE_NEW;
	run->token.due_at = DT_NOEND;
}

/* ---- inputs ---- */

/* What must hold after a step, whatever came before it */
static void
check_step(const Drive *drive)
{
	const OwRun *run = drive->machine.run;

	if ((drive->step == OW_STEP_CLOSED) != (run->token.phase == OW_PHASE_CLOSED))
		fuzz_finding("a step says %d in phase %s", drive->step, ow_phase_name(run->token.phase));
	if ((drive->step == OW_STEP_STUCK) != (run->status == OW_STATUS_STUCK))
		fuzz_finding("a step says %d in status %s", drive->step, ow_status_name(run->status));
	if (drive->step == OW_STEP_CLOSED && (run->status < OW_STATUS_COMPLETED || !run->outcome.decided))
		fuzz_finding("a run is closed in status %s", ow_status_name(run->status));
	if (drive->step == OW_STEP_PARKED && run->token.due_at == DT_NOEND)
		fuzz_finding("a run waits for nothing in phase %s", ow_phase_name(run->token.phase));
	if (drive->step == OW_STEP_ACTIVITY && (drive->machine.call.activity == NULL || drive->machine.call.input == NULL))
		fuzz_finding("an activity is called without input");
}

static void
feed(Drive *drive, OwInput *input)
{
	drive->now += drive->tick;
	input->now = drive->now;
	drive->step = ow_machine_step(&drive->machine, input);
	check_step(drive);
}

static void
feed_kind(Drive *drive, OwInputKind kind, const char *reason)
{
	OwInput		input = {.kind = kind, .reason = reason, .requested_by = "fuzz"};

	feed(drive, &input);
}

static void
feed_failure(Drive *drive, OwInputKind kind, OwFailure *failure)
{
	OwInput		input = {.kind = kind, .failure = failure};

	feed(drive, &input);
}

/* "n" and "+250" in front, the error's name, and after a space its cause */
static void
feed_failed(Drive *drive, const char *words)
{
	OwFailure	failure = {.next_retry_delay_ms = OW_UNSET};
	const char *space;

	for (; *words == 'n' || *words == '+'; words++)
	{
		failure.non_retryable |= *words == 'n';
		if (*words == '+')
			failure.next_retry_delay_ms = strtoul(words + 1, (char **) &words, 10) % PG_INT32_MAX, words--;
	}
	words += strspn(words, " ");
	space = strchr(words, ' ');
	failure.error = space == NULL ? pstrdup(words) : pnstrdup(words, space - words);
	failure.cause = space == NULL ? NULL : pstrdup(space + 1);
	failure.details = space == NULL ? NULL : ow_json_text(space + 1);
	feed_failure(drive, OW_INPUT_ACTIVITY_FAILED, &failure);
}

static void
feed_result(Drive *drive, Jsonb *result)
{
	OwInput		input = {.kind = OW_INPUT_ACTIVITY_COMPLETED, .result = result};

	feed(drive, &input);
}

static void
feed_timeout(Drive *drive)
{
	OwFailure	failure;

	(void) ow_fail(&failure, OW_ERROR_TIMEOUT, "the attempt took too long");
	feed_failure(drive, OW_INPUT_ACTIVITY_TIMED_OUT, &failure);
}

/* What is kept of a run between two transactions of the engine */
static void
load_again(Drive *drive)
{
	OwMachine  *machine = &drive->machine;
	List	   *events = machine->events;

	machine->run->visits = ow_machine_visits(machine->run, machine->definition);
	machine->run->visit_counts = NULL;
	*machine = (OwMachine) {
		.definition = machine->definition,
		.host = machine->host,
		.run = machine->run,
		.context = machine->context,
		.events = events
	};
}

static bool
has_failed_compensation(const OwRun *run)
{
	ListCell   *cell;

	foreach(cell, run->compensations)
	{
		if (((OwRecordedCompensation *) lfirst(cell))->status == OW_COMPENSATION_FAILED)
			return true;
	}
	return false;
}

/* What happens when the script says nothing */
static void
feed_what_comes(Drive *drive)
{
	OwRun	   *run = drive->machine.run;

	if (drive->now >= run->deadline && ow_machine_heeds_deadline(run))
		feed_kind(drive, OW_INPUT_DEADLINE_REACHED, NULL);
	else if (drive->step == OW_STEP_ACTIVITY)
		feed_result(drive, drive->machine.call.input);
	else if (drive->step == OW_STEP_PARKED)
	{
		drive->now = Max(drive->now, run->token.due_at);
		feed_kind(drive, OW_INPUT_TIMER_FIRED, NULL);
	}
	else if (drive->step == OW_STEP_STUCK)
	{
		drive->operator_came = true;
		feed_kind(drive, OW_INPUT_RETRY, NULL);
	}
	else
		feed_kind(drive, OW_INPUT_CONTINUE, NULL);
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

static void
feed_outcome(Drive *drive, const char *line)
{
	Jsonb	   *result;

	if (line[0] == '!')
		feed_failed(drive, line + 1);
	else if (line[0] == 't')
		feed_timeout(drive);
	else if (ow_json_text_nesting(line + 1) < 1000 && (result = ow_json_parse(line + 1)) != NULL)
		feed_result(drive, result);
	else
		feed_what_comes(drive);
}

/* Messages and what else happens at any time; lines that say nothing sensible do nothing. */
static void
feed_line(Drive *drive, const char *line)
{
	OwRun	   *run = drive->machine.run;
	const char *words = line[0] == '\0' ? line : line + 1 + strspn(line + 1, " ");
	OwFailure	failure = {.error = pstrdup(words), .cause = "the shell cannot go on", .next_retry_delay_ms = OW_UNSET};

	switch (line[0])
	{
		case 'c':
			feed_kind(drive, OW_INPUT_CANCEL, *words ? words : NULL);
			break;
		case 'x':
			feed_kind(drive, OW_INPUT_TERMINATE, *words ? words : NULL);
			break;
		case 'd':
			if (run->deadline == DT_NOEND || !ow_machine_heeds_deadline(run))
				break;
			drive->now = Max(drive->now, run->deadline);
			feed_kind(drive, OW_INPUT_DEADLINE_REACHED, NULL);
			break;
		case 's':
			feed_failure(drive, OW_INPUT_STUCK, &failure);
			break;
		case 'r':
			drive->operator_came = true;
			feed_kind(drive, OW_INPUT_RETRY, NULL);
			break;
		case 'k':
			if (has_failed_compensation(run))
				feed_kind(drive, OW_INPUT_RETRY_COMPENSATIONS, NULL);
			break;
		case 'y':
			if (drive->now < run->token.due_at || run->token.due_at == DT_NOEND)
				feed_kind(drive, OW_INPUT_CONTINUE, NULL);
			break;
		case 'l':
			load_again(drive);
			feed_kind(drive, OW_INPUT_CONTINUE, NULL);
			break;
		case 'w':
			drive->now += (int64) (strtoul(words, NULL, 10) % PG_INT32_MAX) * USECS_PER_SEC;
			break;
	}
}

static void
drive_run(Drive *drive)
{
	feed_kind(drive, OW_INPUT_CONTINUE, NULL);
	for (int steps = 0; steps < MAX_STEPS; steps++)
	{
		if (drive->step == OW_STEP_CLOSED && (*drive->script == '\0' || !has_failed_compensation(drive->machine.run)))
			return;
		if (*drive->script == '\0' || (is_outcome(drive->script) && drive->step != OW_STEP_ACTIVITY &&
									   drive->step != OW_STEP_CLOSED))
			feed_what_comes(drive);
		else if (is_outcome(drive->script) && drive->step == OW_STEP_ACTIVITY)
			feed_outcome(drive, next_line(drive));
		else
			feed_line(drive, next_line(drive));
	}
	if (drive->step == OW_STEP_CLOSED)
		return;
	feed_kind(drive, OW_INPUT_TERMINATE, "enough");
	if (drive->step != OW_STEP_CLOSED)
		fuzz_finding("a terminated run is not closed");
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

static void
replay(const Drive *drive, Jsonb *input)
{
	OwRun		run;
	OwMachine	machine = {.definition = drive->machine.definition, .run = &run, .context = CurrentMemoryContext};
	char	   *difference;

	start_run(&run, machine.definition, input);
	difference = ow_history_replay(&machine, drive->machine.events, same_definition,
								   unconstify(OwDefinition *, machine.definition));
	if (difference != NULL)
		fuzz_finding("replay: %s", difference);
	else
		compare(describe_run(&drive->machine), describe_run(&machine));
}

void
fuzz_drive(const FuzzCase *fuzz_case, const OwDefinition *definition, Jsonb *input)
{
	Drive		drive = {.script = fuzz_case->script, .now = STARTED_AT};

	/* the virtual clock of a test stands still, and replay must tell one step from the next even so */
	drive.tick = fuzz_case->hash & 1 ? 0 : 1234;
	drive.activity.name = "any";
	ow_task_options_init(&drive.activity.options);
	drive.host = (OwHost) {.find_activity = find_activity, .arg = &drive, .max_transitions = MAX_TRANSITIONS};
	start_run(&drive.run, definition, input);
	drive.machine.definition = definition;
	drive.machine.host = &drive.host;
	drive.machine.run = &drive.run;
	drive.machine.context = CurrentMemoryContext;
	drive_run(&drive);
	replay(&drive, input);
}
