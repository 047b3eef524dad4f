/*
 * span.h
 *		What the activity that runs says of its span, for the event that ends its attempt.
 */
#ifndef OW_SPAN_H
#define OW_SPAN_H

#include "postgres.h"
#include "utils/jsonb.h"

/* An attempt begins: what others have said is forgotten. */
extern void ow_span_forget(void);

/* Add members of an object to what was said; a null takes one back.  Raises when it becomes too much. */
extern void ow_span_say(const Jsonb *attributes);

/* What was said, in the current context; NULL: nothing */
extern Jsonb *ow_span_said(void);

#endif							/* OW_SPAN_H */
