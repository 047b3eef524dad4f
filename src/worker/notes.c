/*
 * notes.c
 *		What a transaction keeps in mind for its end: debts to others, what circuit breakers and metrics are to
 *		learn, lines of the log.
 *
 * Entries are in the order in which they were made, each with its subtransaction's nest level.  So those of a
 * subtransaction, and of the ones released into it, are an array's tail: on abort it is cut off, on release it gets the
 * parent's level.
 *
 * COMMIT PREPARED calls no callback with these in hand: what is to be done then is up to their owner.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "worker/notes.h"

#define FIRST_ROOM 32

static OwNotes *all_notes;

static void
forget(OwNotes *notes)
{
	/* the memory goes with the transaction */
	notes->entries = NULL;
	notes->count = notes->room = 0;
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	for (OwNotes *notes = all_notes; notes != NULL; notes = notes->next)
	{
		if (notes->end != NULL)
			notes->end(event);
		forget(notes);
	}
}

static void
release(OwNotes *notes, int level)
{
	for (int i = notes->count - 1; i >= 0; i--)
	{
		OwNote	   *note = (OwNote *) (notes->entries + i * notes->entry_size);

		if (note->nest_level < level)
			return;
		note->nest_level = level - 1;
	}
}

static void
abort_to(OwNotes *notes, int level)
{
	while (notes->count > 0)
	{
		OwNote	   *last = (OwNote *) (notes->entries + (notes->count - 1) * notes->entry_size);

		if (last->nest_level < level)
			return;
		if (notes->drop != NULL)
			notes->drop(last);
		notes->count--;
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId my_id, SubTransactionId parent_id, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	for (OwNotes *notes = all_notes; notes != NULL; notes = notes->next)
	{
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			release(notes, level);
		else if (event == SUBXACT_EVENT_ABORT_SUB)
			abort_to(notes, level);
	}
}

void
ow_notes_register(OwNotes *notes)
{
	if (all_notes == NULL)
	{
		RegisterXactCallback(end_transaction, NULL);
		RegisterSubXactCallback(end_subtransaction, NULL);
	}
	notes->next = all_notes;
	all_notes = notes;
}

void *
ow_notes_add(OwNotes *notes)
{
	OwNote	   *note;

	if (notes->count == notes->room)
	{
		int			room = Max(notes->room * 2, FIRST_ROOM);

		notes->entries = notes->entries == NULL ?
			MemoryContextAlloc(TopTransactionContext, room * notes->entry_size) :
			repalloc(notes->entries, room * notes->entry_size);
		notes->room = room;
	}
	note = (OwNote *) (notes->entries + notes->count * notes->entry_size);
	memset(note, 0, notes->entry_size);
	note->nest_level = GetCurrentTransactionNestLevel();
	notes->count++;
	return note;
}

void
ow_notes_cut(OwNotes *notes, int count)
{
	notes->count = Min(notes->count, count);
}
