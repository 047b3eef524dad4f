/*
 * log_lines.c
 *		Lines for the server's log, of what committed.
 *
 * They are made while the transaction can still fail, and notes (notes.c) until it has committed.  Then nothing may
 * fail any more: whatever writing them raises is swallowed.  What is kept of a transaction is bounded: of what is
 * beyond, one line tells how much it was.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "worker/log_lines.h"
#include "worker/notes.h"

#define MAX_BYTES_PER_TRANSACTION ((Size) 4 * 1024 * 1024)

/* The nest level of what is in no subtransaction */
#define TOP_LEVEL 1

typedef struct Line
{
	OwNote		note;
	int			level;
	char	   *message;		/* NULL: there was no room for so many lines */
	char	   *detail;
	Size		bytes;			/* of this line and those before it */
	int			lost;
} Line;

static void write_events(XactEvent event);
static void write_said(XactEvent event);

static OwNotes events = {.entry_size = sizeof(Line), .end = write_events};
static OwNotes said = {.entry_size = sizeof(Line), .end = write_said};

/* What was registered last is told first of a transaction's end: what was said comes before the events. */
void
ow_log_lines_init(void)
{
	ow_notes_register(&events);
	ow_notes_register(&said);
}

static Line *
add_line(OwNotes *lines, int nest_level, Size bytes)
{
	Line	   *line = ow_notes_add(lines);

	line->note.nest_level = nest_level;
	line->bytes = bytes;
	return line;
}

static void
count_lost(OwNotes *lines, int nest_level, Size bytes)
{
	Line	   *last = ow_note_at(lines, Line, lines->count - 1);

	if (last->message != NULL || last->note.nest_level != nest_level)
		last = add_line(lines, nest_level, bytes);
	last->lost++;
}

static void
add(OwNotes *lines, int nest_level, int level, const char *message, const char *detail)
{
	Size		before = lines->count == 0 ? 0 : ow_note_at(lines, Line, lines->count - 1)->bytes;
	Size		bytes = before + strlen(message) + strlen(detail) + sizeof(Line);
	Line	   *line;

	if (bytes > MAX_BYTES_PER_TRANSACTION && lines->count > 0)
	{
		count_lost(lines, nest_level, before);
		return;
	}
	line = add_line(lines, nest_level, bytes);
	line->level = level;
	line->message = MemoryContextStrdup(TopTransactionContext, message);
	line->detail = MemoryContextStrdup(TopTransactionContext, detail);
}

void
ow_log_line_add(const char *message, const char *detail)
{
	add(&events, GetCurrentTransactionNestLevel(), LOG_SERVER_ONLY, message, detail);
}

void
ow_log_line_say(int level, const char *message, const char *detail)
{
	add(&said, TOP_LEVEL, level, message, detail);
}

int
ow_log_lines_mark(void)
{
	return said.count;
}

void
ow_log_lines_forget(int mark)
{
	ow_notes_cut(&said, mark);
}

void
ow_log_line_write(int level, const char *message, const char *detail)
{
	ereport(level,
			(errmsg_internal("%s", message),
			 errdetail_internal("%s", detail),
			 errhidestmt(true),
			 errhidecontext(true)));
}

static void
write_line(const Line *line)
{
	if (line->message != NULL)
		ow_log_line_write(line->level, line->message, line->detail);
	else
		ow_log_line_write(LOG_SERVER_ONLY,
						  psprintf("%d more lines about workflows are not written", line->lost),
						  psprintf("{\"event\": \"LinesNotWritten\", \"lines\": %d}", line->lost));
}

/* The transaction has committed: an error would take the server down. */
static void
write_lines(const OwNotes *lines)
{
	MemoryContext previous = CurrentMemoryContext;
	uint32		interrupts = InterruptHoldoffCount;
	uint32		cancels = QueryCancelHoldoffCount;

	PG_TRY();
	{
		for (int i = 0; i < lines->count; i++)
			write_line(ow_note_at(lines, Line, i));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(previous);
		FlushErrorState();
		InterruptHoldoffCount = interrupts;
		QueryCancelHoldoffCount = cancels;
	}
	PG_END_TRY();
}

static void
write_events(XactEvent event)
{
	if (event == XACT_EVENT_COMMIT && events.count > 0)
		write_lines(&events);
}

static void
write_said(XactEvent event)
{
	if (event == XACT_EVENT_COMMIT && said.count > 0)
		write_lines(&said);
}
