/*
 * redact.h
 *		What a definition has hidden from logs and reports: the parts of documents that its paths lead to.
 */
#ifndef OW_REDACT_H
#define OW_REDACT_H

#include "machine/definition.h"

/* What stands where something is hidden */
#define OW_REDACTED "[redacted]"

/*
 * The document without what is hidden.  The paths begin at its root; anywhere: also at each value in it, for what holds
 * documents that other paths lead to.
 */
extern Jsonb *ow_redact(const OwDefinition *definition, const Jsonb *document, bool anywhere);

/* The same of an event's attributes */
extern Jsonb *ow_redact_event(const OwDefinition *definition, const Jsonb *attributes);

/* The same of search attributes, {name: value}: also hidden are those that are read from what is */
extern Jsonb *ow_redact_search_attributes(const OwDefinition *definition, const Jsonb *attributes);

/*
 * Adds to the values (of char *) those that are hidden in the document, wherever that is in it.  What is shorter than
 * OW_REDACTED_LENGTH bytes is left out: it would be found in any text.
 */
#define OW_REDACTED_LENGTH 6
extern List *ow_redact_collect(const OwDefinition *definition, const Jsonb *document, List *values);

/* The text without these values */
extern char *ow_redact_text(const char *text, const List *values);

#endif							/* OW_REDACT_H */
