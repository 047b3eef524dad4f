/*
 * host.c
 *		The world around a machine that is driven: activities, tokens, flags, what expressions give, what fits.
 *
 * All of it follows from the case, and the time.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "drive.h"
#include "engine/sql_expression.h"
#include "fuzz.h"
#include "machine/json.h"
#include "miscadmin.h"

#define MAX_TRANSITIONS 20		/* before a run yields */
#define TRANSITION_LIMIT 50		/* before one that waits for nothing fails */
#define MAX_CONCURRENCY 3

/* Every activity exists, but for those called Missing…, until an operator comes. */
static const OwActivity *
find_activity(void *arg, const OwRun *run, const char *name)
{
	const Drive *drive = arg;

	if (strncmp(name, "Missing", 7) == 0 && !drive->operator_came)
		return NULL;
	return drive->some_outside && strlen(name) % 2 == 1 ? &drive->outside : &drive->activity;
}

/* What is stored is in memory only if nothing was stored. */
static void
read_outputs(void *arg, int parent, Jsonb **outputs, int count)
{
	fuzz_run_read_outputs(&((const Drive *) arg)->store, parent, outputs, count);
}

static void
load_compensations(void *arg)
{
	Drive	   *drive = arg;

	fuzz_run_load_compensations(&drive->store, &drive->run);
}

/* What an expression gives, without a database: by its text something of its scope, or a failure */
static Jsonb *
make_value(const OwSqlExpression *expression, const OwSqlScope *scope)
{
	const Jsonb *values[] = {scope->input, scope->vars, scope->result, scope->error_output, scope->context};
	const Jsonb *value = values[string_hash(expression->text, 1024) % lengthof(values)];
	Jsonb	   *constant = ow_json_parse(expression->text);

	return constant ? constant : value ? ow_json_copy(value) : NULL;
}

static bool
evaluate(void *arg, const OwRun *run, const OwSqlTemplate *template, const OwSqlScope *scope, Jsonb **value,
		 OwFailure *failure)
{
	const Drive *drive = arg;
	Jsonb	  **values;

	if (drive->in_database)
		return ow_sql_evaluate(template, scope, GetUserId(), value, failure);
	values = palloc0(sizeof(Jsonb *) * Max(template->nexpressions, 1));
	for (int i = 0; i < template->nexpressions; i++)
	{
		if (strstr(template->expressions[i].text, "fail") != NULL)
			return ow_fail(failure, OW_ERROR_QUERY_EVALUATION, "it fails");
		values[i] = make_value(&template->expressions[i], scope);
	}
	return ow_sql_template_fill(template, values, value, failure);
}

static void
new_task_token(void *arg, const OwRun *run, bool queued, pg_uuid_t *task_token)
{
	Drive	   *drive = arg;

	memset(task_token, 0, sizeof(*task_token));
	task_token->data[0] = ++drive->task_tokens;
}

static void
new_request(void *arg, const OwRun *run, OwRequest *request)
{
	new_task_token(arg, run, false, &request->id);
}

static void
next_run(void *arg, const OwRun *run, bool inherits_version, pg_uuid_t *run_id, int *version)
{
	memset(run_id, inherits_version ? 1 : 2, sizeof(*run_id));
	*version = run->version;
}

/* What a flag is depends on its name, and changes as time goes by. */
static Jsonb *
read_flag(void *arg, const OwRun *run, const char *name)
{
	const Drive *drive = arg;
	uint32		choice = string_hash(name, 1024) + (uint32) (drive->now / USECS_PER_SEC);
	static const char *const values[] = {"true", "false", "null", "1", "2", "-1", "\"x\""};

	return choice % 8 == 7 ? NULL : ow_json_parse(values[choice % 8]);
}

/* A run that has failed is tried again, in half of the cases. */
static bool
retry_run(void *arg, const OwRun *run, OwRetryQuestion *question, OwRetryAnswer *answer)
{
	*answer = (OwRetryAnswer) {
		.retry = run->next_event_id % 2 == 0,
		.retrier = 0,
		.at = question->now + USECS_PER_SEC
	};
	return answer->retry;
}

static int
max_concurrency(void *arg, const OwRun *run)
{
	return MAX_CONCURRENCY;
}

/* An attempt that is offered again, as a run was loaded again, is rejected again. */
static bool
may_attempt(void *arg, const OwRun *run, const OwAttempt *attempt, OwRejection *rejection)
{
	const Drive *drive = arg;

	if (!drive->some_rejected || hash_combine(run->next_event_id, hash_uint32((uint32) attempt->now)) % 4 != 0)
		return true;
	memset(rejection, 0, sizeof(*rejection));
	rejection->retry_at = attempt->now + USECS_PER_SEC;
	rejection->spread_ms = run->next_event_id % 2000;
	rejection->outside = attempt->activity->kind == OW_ACTIVITY_QUEUE;
	return ow_fail(&rejection->failure, OW_ERROR_CIRCUIT_OPEN, "it is open");
}

/* What ends was begun. */
static void
attempt_ended(void *arg, const OwRun *run, const OwAttempt *attempt, const OwFailure *failure)
{
	const Drive *drive = arg;

	if (attempt->activity != &drive->activity && attempt->activity != &drive->outside)
		fuzz_finding("an attempt of another activity has ended");
	if (attempt->now != drive->now)
		fuzz_finding("an attempt ended at another time");
}

/* A limit that cases get to */
static bool
is_small(void *arg, const OwRun *run, const Jsonb *output)
{
	return VARSIZE(output) <= 1024 * 1024;
}

bool
fuzz_host_fits(const OwPayloadType *type, const Jsonb *value, OwMismatches *mismatches)
{
	if (type != NULL && type->schema != NULL)
		ow_schema_check(type->schema, value, mismatches);
	return mismatches->lines == NIL;
}

static bool
check_output(void *arg, const OwRun *run, const OwPayloadType *type, const Jsonb *output, OwFailure *failure)
{
	OwMismatches mismatches = {0};

	return fuzz_host_fits(type, output, &mismatches) ||
		ow_fail(failure, OW_ERROR_INVALID_OUTPUT, "%s", ow_mismatches_text(&mismatches));
}

void
fuzz_host_begin(Drive *drive, uint64 hash)
{
	drive->in_database = hash % 8 >= 6;
	drive->activity.name = "any";
	ow_task_options_init(&drive->activity.options);
	drive->some_outside = hash & 4;
	drive->some_rejected = (hash & 24) == 24;
	drive->outside = drive->activity;
	drive->outside.kind = OW_ACTIVITY_QUEUE;
	drive->outside.options.task_queue = "outside";
	drive->outside.options.heartbeat_ms = 10000;
	drive->outside.options.start_to_close_ms = 60000;
	drive->host = (OwHost) {
		.find_activity = find_activity,
		.read_outputs = read_outputs,
		.load_compensations = load_compensations,
		.evaluate = evaluate,
		.new_task_token = new_task_token,
		.new_request = new_request,
		.next_run = next_run,
		.read_flag = read_flag,
		.retry_run = retry_run,
		.max_concurrency = max_concurrency,
		.check_output = check_output,
		.may_attempt = may_attempt,
		.attempt_ended = attempt_ended,
		.arg = drive,
		.max_transitions = MAX_TRANSITIONS,
		.transition_limit = TRANSITION_LIMIT,
		.fits = is_small
	};
}
