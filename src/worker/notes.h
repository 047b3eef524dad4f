/*
 * notes.h
 *		What a transaction keeps in mind for its end: arrays whose entries go with the subtransaction that made them.
 */
#ifndef OW_NOTES_H
#define OW_NOTES_H

#include "access/xact.h"

/* What every entry begins with */
typedef struct OwNote
{
	int			nest_level;		/* of the subtransaction that made it, or has taken it over */
} OwNote;

/*
 * The owner gives the first three and registers it once, while the library is loaded.  Both functions may be NULL, and
 * must not raise errors but where a transaction's callbacks may.
 *
 *	drop	called for each entry of a subtransaction that is aborted, the last one first
 *	end		called when a transaction has committed, been prepared or been aborted, with whatever entries there are
 */
typedef struct OwNotes
{
	Size		entry_size;
	void		(*drop) (void *entry);
	void		(*end) (XactEvent event);
	char	   *entries;		/* in TopTransactionContext; NULL between transactions */
	int			count;
	int			room;
	struct OwNotes *next;
} OwNotes;

#define ow_note_at(notes, Type, i) (&((Type *) (notes)->entries)[i])

extern void ow_notes_register(OwNotes *notes);

/* A new entry, zeroed but for its nest level; those before it may move */
extern void *ow_notes_add(OwNotes *notes);

/* Forgets all but the first ones, without telling the owner. */
extern void ow_notes_cut(OwNotes *notes, int count);

#endif							/* OW_NOTES_H */
