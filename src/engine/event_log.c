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
#include "engine/observe.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/redact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "store/log_level.h"
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

/* A run whose events are logged */
typedef struct LoggedRun
{
	const OwLoadedRun *loaded;
	const Jsonb *search_attributes; /* as they are now, without what is hidden; NULL: none, or too
									 * many */
	List	   *hidden;			/* of char *: values that are hidden in its data */
} LoggedRun;

/* One of its events that is */
typedef struct Line
{
	const LoggedRun *run;
	int			n;				/* which of its events */
	const OwHistoryEvent *event;
	const LoggedEvent *logged;
	List	   *hidden;			/* as of the run, and in the event */
} Line;

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
error_member(const Line *line, const char *name, const char *of_stuck)
{
	const Jsonb *attributes = line->event->attributes;
	char	   *value;

	if (attributes == NULL)
		return NULL;
	value = ow_json_get_string(attributes, name);
	if (value == NULL)
		value = ow_json_get_string(attributes, of_stuck);
	return value ? ow_redact_text(value, line->hidden) : NULL;
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
add_attempt(OwObject *object, const Line *line)
{
	const OwHistoryEvent *event = line->event;

	add_text(object, "activity", activity_of(event));
	ow_object_add_int(object, "attempt", int_member(event->attributes, "attempt"));
	if (int_member(event->attributes, "compensation") != 0)
		ow_object_add_int(object, "compensation", int_member(event->attributes, "compensation"));
	if (line->logged->subject == ENDS_ATTEMPT)
		add_duration(object, ow_observe_attempt_began(line->run->loaded->events, line->n), event->time);
}

static const char *
state_of(const Line *line)
{
	const OwLoadedRun *loaded = line->run->loaded;
	int			state = loaded->run.token.state;

	if (line->event->state != NULL || line->logged->subject != CLOSES_RUN || state == OW_NO_STATE)
		return line->event->state;
	return loaded->compiled->definition->states[state].name;
}

/* What the event says in texts, some of them somebody's */
static void
add_texts(OwObject *object, const Line *line)
{
	static const char *const copied[] = {"retry_at", "reason", "requested_by"};

	add_text(object, "error", error_member(line, "error", "Error"));
	add_text(object, "cause", error_member(line, "cause", "Cause"));
	for (int i = 0; line->event->attributes != NULL && i < (int) lengthof(copied); i++)
	{
		char	   *text = ow_json_get_string(line->event->attributes, copied[i]);

		if (text != NULL)
			add_text(object, copied[i], ow_redact_text(text, line->hidden));
	}
}

void
ow_event_log_add_run(OwObject *object, TimestampTz time, const OwRun *run)
{
	ow_object_add_text(object, "time", ow_instant_format(time));
	ow_object_add_text(object, "database", get_database_name(MyDatabaseId));
	ow_object_add_text(object, "owner", run->owner);
	ow_object_add_text(object, "workflow", run->workflow);
	ow_object_add_int(object, "version", run->version);
	ow_object_add_text(object, "workflow_id", run->workflow_id);
	ow_object_add_text(object, "run_id", ow_uuid_to_cstring(&run->run_id));
}

static char *
detail_of(const Line *line)
{
	const OwHistoryEvent *event = line->event;
	const OwRun *run = &line->run->loaded->run;
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "event", event->type);
	ow_object_add_int(&object, "event_id", event->event_id);
	ow_event_log_add_run(&object, event->time, run);
	add_text(&object, "state", state_of(line));
	if (event->branch != 0)
		ow_object_add_int(&object, "branch_id", event->branch);
	if (is_attempt(line->logged))
		add_attempt(&object, line);
	else if (line->logged->subject == CLOSES_RUN)
		add_duration(&object, run->started_at, event->time);
	add_texts(&object, line);
	ow_object_add(&object, "search_attributes", line->run->search_attributes);
	return ow_json_to_cstring(ow_object_end(&object));
}

static char *
sentence_of(const Line *line)
{
	const OwHistoryEvent *event = line->event;
	const OwRun *run = &line->run->loaded->run;
	char	   *id = clipped(run->workflow_id, MAX_TEXT_IN_SENTENCE);
	char	   *error = error_member(line, "error", "Error");
	char	   *tail = error ? psprintf(": %s", clipped(error, MAX_TEXT_IN_SENTENCE)) : "";

	if (!is_attempt(line->logged))
		return psprintf("workflow \"%s\" %s (id \"%s\")%s", run->workflow, line->logged->phrase, id, tail);
	return psprintf("%s \"%s\" %s (attempt %d, workflow \"%s\", id \"%s\")%s",
					int_member(event->attributes, "compensation") != 0 ? "compensation" : "activity",
					activity_of(event), line->logged->phrase, (int) int_member(event->attributes, "attempt"),
					run->workflow, id, tail);
}

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

/* What all lines of a run have in common */
static void
begin_run(LoggedRun *run, const OwLoadedRun *loaded)
{
	const OwDefinition *definition = loaded->compiled->definition;

	run->loaded = loaded;
	run->search_attributes = read_search_attributes(loaded);
	run->hidden = ow_redact_collect(definition, loaded->run.token.data,
									ow_redact_collect(definition, loaded->run.input, NIL));
}

static void
log_run(const OwLoadedRun *loaded, int kinds)
{
	LoggedRun	run = {0};

	for (int i = 0; i < list_length(loaded->events); i++)
	{
		const OwHistoryEvent *event = list_nth(loaded->events, i);
		const LoggedEvent *logged = find_logged(event, kinds);
		Line		line = {.run = &run, .n = i, .event = event, .logged = logged};

		if (logged == NULL || (kinds_of(logged, event) & kinds) == 0)
			continue;
		if (run.loaded == NULL)
			begin_run(&run, loaded);
		line.hidden = ow_redact_collect(loaded->compiled->definition, event->attributes, list_copy(run.hidden));
		ow_log_line_add(sentence_of(&line), detail_of(&line));
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
