/*
 * event_log.c
 *		What has happened to runs, for those who read the server's log.
 *
 * A line is made of an event of history and names it, so that the one can be compared with the other: a sentence for
 * people, and in the DETAIL the same for programs, a JSON object in one line.  It is written when the transaction has
 * committed (worker/log_lines.h).  Most events are none to be logged, and most runs have none of those that are.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "engine/clock.h"
#include "engine/event_log.h"
#include "engine/log_level.h"
#include "engine/observe.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/redact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "store/run.h"
#include "store/search_attribute.h"
#include "store/store.h"
#include "utils/numeric.h"
#include "worker/log_lines.h"

/* Bytes: texts are cut after so many, in sentences after fewer */
#define MAX_TEXT 1000
#define MAX_TEXT_IN_SENTENCE 200
#define MAX_SEARCH_ATTRIBUTES 4000

typedef enum Subject
{
	OF_RUN,
	CLOSES_RUN,
	ENDS_ATTEMPT,
	BEGINS_ATTEMPT
} Subject;

typedef struct LoggedEvent
{
	const char *type;
	Subject		subject;
	int			kinds;			/* OwLogKind: what it may be one of, see kinds_of */
	const char *phrase;
} LoggedEvent;

static const LoggedEvent logged_events[] = {
	{"WorkflowExecutionStarted", OF_RUN, OW_LOG_STARTS, "started"},
	{"WorkflowExecutionReset", OF_RUN, OW_LOG_STARTS, "started from a reset"},
	{"WorkflowExecutionCompleted", CLOSES_RUN, OW_LOG_CLOSES, "completed"},
	{"WorkflowExecutionFailed", CLOSES_RUN, OW_LOG_CLOSES | OW_LOG_FAILURES, "failed"},
	{"WorkflowExecutionTimedOut", CLOSES_RUN, OW_LOG_CLOSES | OW_LOG_FAILURES, "timed out"},
	{"WorkflowExecutionCanceled", CLOSES_RUN, OW_LOG_CLOSES, "was canceled"},
	{"WorkflowExecutionTerminated", CLOSES_RUN, OW_LOG_CLOSES, "was terminated"},
	{"WorkflowExecutionContinuedAsNew", CLOSES_RUN, OW_LOG_CLOSES, "continues as new"},
	{"WorkflowExecutionCancelRequested", OF_RUN, OW_LOG_REQUESTS, "is to be canceled"},
	{"WorkflowTaskFailed", OF_RUN, OW_LOG_FAILURES, "is stuck"},
	{"ActivityTaskCompleted", ENDS_ATTEMPT, OW_LOG_COMPENSATIONS, "completed"},
	{"ActivityTaskFailed", ENDS_ATTEMPT, OW_LOG_FAILURES | OW_LOG_COMPENSATIONS, "failed"},
	{"ActivityTaskTimedOut", ENDS_ATTEMPT, OW_LOG_FAILURES | OW_LOG_COMPENSATIONS, "timed out"},
	{"ActivityTaskScheduled", BEGINS_ATTEMPT, OW_LOG_RETRIES, "is tried again"}
};

/* NULL: it is of none of these kinds.  Most events are asked for little. */
static const LoggedEvent *
find_logged(const OwHistoryEvent *event, int kinds)
{
	for (int i = 0; i < (int) lengthof(logged_events); i++)
	{
		if ((logged_events[i].kinds & kinds) != 0 && strcmp(logged_events[i].type, event->type) == 0)
			return &logged_events[i];
	}
	return NULL;
}

static bool
is_attempt(const LoggedEvent *logged)
{
	return logged->subject == ENDS_ATTEMPT || logged->subject == BEGINS_ATTEMPT;
}

static int64
int_member(const Jsonb *attributes, const char *name)
{
	JsonbValue	member;
	int64		value = 0;

	if (attributes == NULL || !ow_json_member(attributes, name, &member) || member.type != jbvNumeric)
		return 0;
	return ow_json_value_int64(&member, &value) ? value : 0;
}

/* An attempt is a retry only if it is not the first, and one of a compensation only if it is. */
static int
kinds_of(const LoggedEvent *logged, const OwHistoryEvent *event)
{
	if (logged->subject == BEGINS_ATTEMPT)
		return int_member(event->attributes, "attempt") > 1 ? logged->kinds : 0;
	if (logged->subject == ENDS_ATTEMPT && int_member(event->attributes, "compensation") == 0)
		return logged->kinds & ~OW_LOG_COMPENSATIONS;
	return logged->kinds;
}

static char *
clipped(const char *text, int bytes)
{
	int			length = (int) strlen(text);

	return length <= bytes ? pstrdup(text) : psprintf("%s...", pnstrdup(text, pg_mbcliplen(text, length, bytes - 3)));
}

static void
add_text(OwObject *object, const char *key, const char *value)
{
	if (value != NULL)
		ow_object_add_text(object, key, clipped(value, MAX_TEXT));
}

/* Of events that stuck runs have, the names are those of errors in definitions. */
static char *
error_member(const OwHistoryEvent *event, const char *name, const char *of_stuck)
{
	char	   *value;

	if (event->attributes == NULL)
		return NULL;
	value = ow_json_get_string(event->attributes, name);
	return value ? value : ow_json_get_string(event->attributes, of_stuck);
}

static const char *
activity_of(const OwHistoryEvent *event)
{
	return event->activity ? event->activity : ow_json_get_string(event->attributes, "activity");
}

static void
add_duration(OwObject *object, TimestampTz from, TimestampTz to)
{
	JsonbValue	ms = {.type = jbvNumeric};

	if (from == 0)
		return;
	ms.val.numeric = int64_div_fast_to_numeric(Max(to - from, 0), 3);
	ow_object_add_value(object, "duration_ms", &ms);
}

static void
add_attempt(OwObject *object, const OwLoadedRun *loaded, int n, Subject subject)
{
	const OwHistoryEvent *event = list_nth(loaded->events, n);

	add_text(object, "activity", activity_of(event));
	ow_object_add_int(object, "attempt", int_member(event->attributes, "attempt"));
	if (int_member(event->attributes, "compensation") != 0)
		ow_object_add_int(object, "compensation", int_member(event->attributes, "compensation"));
	if (subject == ENDS_ATTEMPT)
		add_duration(object, ow_observe_attempt_began(loaded->events, n), event->time);
}

static const char *
state_of(const OwLoadedRun *loaded, const OwHistoryEvent *event, Subject subject)
{
	int			state = loaded->run.token.state;

	if (event->state != NULL || subject != CLOSES_RUN || state == OW_NO_STATE)
		return event->state;
	return loaded->compiled->definition->states[state].name;
}

static char *
detail_of(const OwLoadedRun *loaded, int n, const LoggedEvent *logged, const Jsonb *search_attributes)
{
	static const char *const copied[] = {"retry_at", "reason", "requested_by"};
	const OwHistoryEvent *event = list_nth(loaded->events, n);
	const OwRun *run = &loaded->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "event", event->type);
	ow_object_add_int(&object, "event_id", event->event_id);
	ow_object_add_text(&object, "time", ow_instant_format(event->time));
	ow_object_add_text(&object, "database", get_database_name(MyDatabaseId));
	ow_object_add_text(&object, "owner", run->owner);
	ow_object_add_text(&object, "workflow", run->workflow);
	ow_object_add_int(&object, "version", run->version);
	ow_object_add_text(&object, "workflow_id", run->workflow_id);
	ow_object_add_text(&object, "run_id", ow_uuid_to_cstring(&run->run_id));
	add_text(&object, "state", state_of(loaded, event, logged->subject));
	if (event->branch != 0)
		ow_object_add_int(&object, "branch_id", event->branch);
	if (is_attempt(logged))
		add_attempt(&object, loaded, n, logged->subject);
	else if (logged->subject == CLOSES_RUN)
		add_duration(&object, run->started_at, event->time);
	add_text(&object, "error", error_member(event, "error", "Error"));
	add_text(&object, "cause", error_member(event, "cause", "Cause"));
	for (int i = 0; event->attributes != NULL && i < (int) lengthof(copied); i++)
		add_text(&object, copied[i], ow_json_get_string(event->attributes, copied[i]));
	ow_object_add(&object, "search_attributes", search_attributes);
	return ow_json_to_cstring(ow_object_end(&object));
}

static char *
sentence_of(const OwLoadedRun *loaded, const OwHistoryEvent *event, const LoggedEvent *logged)
{
	const OwRun *run = &loaded->run;
	char	   *id = clipped(run->workflow_id, MAX_TEXT_IN_SENTENCE);
	char	   *error = error_member(event, "error", "Error");
	char	   *tail = error ? psprintf(": %s", clipped(error, MAX_TEXT_IN_SENTENCE)) : "";

	if (!is_attempt(logged))
		return psprintf("workflow \"%s\" %s (id \"%s\")%s", run->workflow, logged->phrase, id, tail);
	return psprintf("%s \"%s\" %s (attempt %d, workflow \"%s\", id \"%s\")%s",
					int_member(event->attributes, "compensation") != 0 ? "compensation" : "activity",
					activity_of(event), logged->phrase, (int) int_member(event->attributes, "attempt"),
					run->workflow, id, tail);
}

/* Those of the run as it is now, without what is hidden; NULL: none, or more than a line should have */
static const Jsonb *
read_search_attributes(const OwLoadedRun *loaded)
{
	Jsonb	   *attributes;

	ow_store_open();
	attributes = ow_search_attributes_read(loaded);
	ow_store_close();
	if (attributes == NULL || VARSIZE(attributes) > MAX_SEARCH_ATTRIBUTES)
		return NULL;
	return ow_redact_search_attributes(loaded->compiled->definition, attributes);
}

static void
log_run(const OwLoadedRun *loaded, int kinds)
{
	const Jsonb *search_attributes = NULL;
	bool		read = false;

	for (int i = 0; i < list_length(loaded->events); i++)
	{
		const OwHistoryEvent *event = list_nth(loaded->events, i);
		const LoggedEvent *logged = find_logged(event, kinds);

		if (logged == NULL || (kinds_of(logged, event) & kinds) == 0)
			continue;
		if (!read)
			search_attributes = read_search_attributes(loaded);
		read = true;
		ow_log_line_add(sentence_of(loaded, event, logged), detail_of(loaded, i, logged, search_attributes));
	}
}

void
ow_event_log_runs(List *runs)
{
	ListCell   *cell;

	if (ow_clock_is_virtual())
		return;
	foreach(cell, runs)
	{
		const OwLoadedRun *loaded = lfirst(cell);
		int			kinds = ow_catalog_log_kinds(loaded->run.workflow);

		if (kinds != 0)
			log_run(loaded, kinds);
	}
}
