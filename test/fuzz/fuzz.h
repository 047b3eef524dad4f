/*
 * fuzz.h
 *		Shared by the parts of the fuzz target; see README.md here.
 */
#ifndef OW_FUZZ_H
#define OW_FUZZ_H

#include "postgres.h"

#include "machine/definition.h"

/* One input of the fuzzer, taken apart: three texts with lines "%%" between them */
typedef struct FuzzCase
{
	char	   *definition;
	char	   *input;			/* JSON */
	char	   *script;			/* what happens to the run, a line each */
	uint64		hash;			/* of the whole: decides what else is checked */
} FuzzCase;

/* Takes a case apart; whatever the bytes are, the texts are valid in the database's encoding. */
extern void fuzz_case_read(const uint8 *data, size_t size, FuzzCase *result);

/*
 * Something is wrong.  The first finding of a kind is printed and its case kept; digits do not count, so
 * that "event 3 …" and "event 4 …" are of one kind.
 */
extern void fuzz_finding(const char *format, ...) pg_attribute_printf(1, 2);

/* Drives a run of the definition as the script says, and replays its history. */
extern void fuzz_drive(const FuzzCase *fuzz_case, const OwDefinition *definition, Jsonb *input);

/* Hides in the document what the definition hides. */
extern void fuzz_redact(const OwDefinition *definition, const Jsonb *document);

/* Asks workflow.validate() and workflow.register() about the definition.  The caller rolls back. */
extern void fuzz_ask_sql(const FuzzCase *fuzz_case, bool compiles, bool more, bool as_text);

/* A memory context whose every chunk is one of malloc's, so that the sanitizer watches over it */
extern MemoryContext fuzz_malloc_context_create(MemoryContext parent);

#endif							/* OW_FUZZ_H */
