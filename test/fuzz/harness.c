/*
 * harness.c
 *		Runs libFuzzer inside a stand-alone backend, and judges what each input does.
 *
 *		CALL fuzz.run(ARRAY['-max_total_time=60', 'corpus']);
 *
 * The module is the whole extension, instrumented, and this directory.  libFuzzer calls fuzz_one() for
 * each input; crashes, reports of the sanitizers and time-outs are its own business, the findings are
 * what it cannot see: errors nobody expects, broken promises, memory that is not given back.
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "fuzz.h"
#include "libpq/pqsignal.h"
#include "nodes/memnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#define ASK_SQL_EVERY 16		/* inputs: it takes longer than all else */
#define CHECK_LEAKS_EVERY 64
#define MAX_KINDS 100
#define MAX_CONTEXTS 4000

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback) (const uint8_t *data, size_t size));

PG_FUNCTION_INFO_V1(fuzz_run);

static const uint8 *current_data;
static size_t current_size;

/* ---- findings ---- */

/* Keeps the case in the directory of findings, under a name made of what was found. */
static void
keep_case(const char *kind)
{
	char		path[MAXPGPATH];
	size_t		length = snprintf(path, 200, "%s/", getenv("FUZZ_FINDINGS"));
	FILE	   *file;

	for (; *kind && length < 200; kind++)
		path[length++] = isalnum((unsigned char) *kind) ? *kind : '-';
	snprintf(path + length, sizeof(path) - length, ".case");
	file = fopen(path, "wb");
	if (file == NULL || fwrite(current_data, 1, current_size, file) != current_size || fclose(file) != 0)
	{
		fprintf(stderr, "cannot write %s\n", path);
		_exit(1);
	}
	fprintf(stderr, "kept as %s\n", path);
}

/* What was found, without digits, and without the lines that follow the first */
static char *
kind_of(const char *text)
{
	char	   *kind = pstrdup(text);
	char	   *out = kind;

	for (const char *in = text; *in && *in != '\n'; in++)
	{
		if (!isdigit((unsigned char) *in))
			*out++ = *in;
	}
	*out = '\0';
	return kind;
}

void
fuzz_finding(const char *format, ...)
{
	static uint32 kinds[MAX_KINDS];
	static int	nkinds = 0;
	StringInfoData text;
	va_list		args;
	int			needed;
	char	   *kind;
	uint32		hash;

	initStringInfo(&text);
	do
	{
		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);
	kind = kind_of(text.data);
	hash = string_hash(kind, 1024);
	for (int i = 0; i < nkinds; i++)
	{
		if (kinds[i] == hash)
			return;
	}
	if (nkinds < MAX_KINDS)
		kinds[nkinds++] = hash;
	fprintf(stderr, "\nFINDING: %s\n", text.data);
	keep_case(kind);
}

/* ---- one input ---- */

static bool
has_problem(const OwProblems *problems, const char *code)
{
	ListCell   *cell;

	foreach(cell, problems->list)
	{
		if (strcmp(((OwProblem *) lfirst(cell))->code, code) == 0)
			return true;
	}
	return false;
}

/* Duplicate keys do not stop jsonb's parser, all else does. */
static bool
is_json(const OwProblems *problems)
{
	ListCell   *cell;

	foreach(cell, problems->list)
	{
		if (strcmp(((OwProblem *) lfirst(cell))->code, "DuplicateKey") != 0)
			return false;
	}
	return true;
}

/*
 * What is refused as a text must not do as jsonb, but for numbers: our limits are narrower.  An error
 * that jsonb's parser raises is as good.
 */
static void
check_refused(const char *text, const OwProblems *text_problems)
{
	MemoryContext context = CurrentMemoryContext;
	OwProblems	problems = {0};

	if (has_problem(text_problems, "OutOfRange"))
		return;
	PG_TRY();
	{
		Jsonb	   *source = ow_json_from_cstring(text);
		OwProblems	again = {0};

		/* what is wrong may stand under a key that comes again */
		ow_definition_check_text(ow_json_to_cstring(source), &again);
		if (again.errors > 0 && ow_definition_compile(source, &problems) != NULL)
			fuzz_finding("a definition is refused as a text and taken as jsonb");
	}
	PG_CATCH();
	{
		FlushErrorState();
		MemoryContextSwitchTo(context);
	}
	PG_END_TRY();
}

static void
check_case(const FuzzCase *fuzz_case)
{
	OwProblems	text_problems = {0};
	OwProblems	problems = {0};
	Jsonb	   *source = NULL;
	OwDefinition *definition = NULL;
	bool		more;

	ow_definition_check_text(fuzz_case->definition, &text_problems);
	if (!is_json(&text_problems))
		check_refused(fuzz_case->definition, &text_problems);
	else
	{
		source = ow_json_from_cstring(fuzz_case->definition);
		definition = ow_definition_compile(source, &problems);
		if ((definition == NULL) != (problems.errors > 0))
			fuzz_finding("the compiler finds %d errors, and gives %s", problems.errors,
						 definition ? "a definition" : "none");
	}
	if (definition != NULL)
	{
		Jsonb	   *input = ow_json_parse(fuzz_case->input);

		if (input != NULL)
		{
			fuzz_redact(definition, input);
			fuzz_drive(fuzz_case, definition, input);
		}
	}
	if (fuzz_case->hash % ASK_SQL_EVERY != 0)
		return;
	more = problems.unchecked != NIL || (definition != NULL && (definition->input_type || definition->output_type));
	fuzz_ask_sql(fuzz_case, definition != NULL && text_problems.errors == 0, more, true);
	if (source != NULL)
		fuzz_ask_sql(fuzz_case, definition != NULL, more, false);
}

/* The core reports what is wrong with its data as values: an error is always a finding. */
static void
report_error(void)
{
	ErrorData  *error = CopyErrorData();

	FlushErrorState();
	fuzz_finding("error %s in %s\n%s: %s\n%s", unpack_sql_state(error->sqlerrcode), error->funcname,
				 error->filename, error->message, error->detail ? error->detail : "");
	FreeErrorData(error);
}

/* Whatever it does to the database or leaves open after an error is rolled back. */
static void
run_once(void)
{
	MemoryContext outer = CurrentMemoryContext;
	ResourceOwner outer_owner = CurrentResourceOwner;
	MemoryContext context = fuzz_malloc_context_create(outer);

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		FuzzCase	fuzz_case;

		fuzz_case_read(current_data, current_size, &fuzz_case);
		check_case(&fuzz_case);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		report_error();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(outer);
	CurrentResourceOwner = outer_owner;
	MemoryContextDelete(context);
	SPI_rollback();
}

/* ---- memory ---- */

typedef struct MemoryUse
{
	int			ncontexts;
	Size		total;
	const char *names[MAX_CONTEXTS];
	Size		used[MAX_CONTEXTS];
} MemoryUse;

/* Notes what is in use in a context and in those below it. */
static void
measure(MemoryContext context, MemoryUse *use)
{
	MemoryContextCounters counters = {0};

	context->methods->stats(context, NULL, NULL, &counters, false);
	use->total += counters.totalspace - counters.freespace;
	if (use->ncontexts < MAX_CONTEXTS)
	{
		use->names[use->ncontexts] = context->name;
		use->used[use->ncontexts++] = counters.totalspace - counters.freespace;
	}
	for (MemoryContext child = context->firstchild; child != NULL; child = child->nextchild)
		measure(child, use);
}

/* What is in use in all contexts of a name */
static Size
used_under_name(const MemoryUse *use, const char *name)
{
	Size		used = 0;

	for (int i = 0; i < use->ncontexts; i++)
	{
		if (strcmp(use->names[i], name) == 0)
			used += use->used[i];
	}
	return used;
}

/* The names of the contexts that have grown, and by how much: "name\nname: 8 bytes …" */
static char *
grown_contexts(const MemoryUse *before, const MemoryUse *after)
{
	StringInfoData text;
	const char *first = NULL;

	initStringInfo(&text);
	for (int i = 0; i < after->ncontexts; i++)
	{
		const char *name = after->names[i];
		Size		grown = used_under_name(after, name) - used_under_name(before, name);

		if (used_under_name(after, name) <= used_under_name(before, name))
			continue;
		if (first == NULL)
			first = name;
		appendStringInfo(&text, "\n%s: %zu bytes", name, grown);
	}
	return psprintf("%s%s", first ? first : "some context", text.data);
}

/* Whatever is cached is cached once: who takes more memory each time loses it. */
static void
check_leaks(void)
{
	static MemoryUse uses[2];
	MemoryUse  *before = &uses[0];
	MemoryUse  *after = &uses[1];

	memset(before, 0, sizeof(MemoryUse));
	measure(TopMemoryContext, before);
	for (int again = 0; again < 4; again++)
	{
		MemoryUse  *last = before;

		run_once();
		memset(after, 0, sizeof(MemoryUse));
		measure(TopMemoryContext, after);
		if (after->total <= before->total)
			return;
		before = after;
		after = last;
	}
	fuzz_finding("memory is lost with each run in %s", grown_contexts(after, before));
}

static int
fuzz_one(const uint8_t *data, size_t size)
{
	current_data = data;
	current_size = size;
	run_once();
	if (hash_bytes(data, size) % CHECK_LEAKS_EVERY == 0)
		check_leaks();
	return 0;
}

/* ---- */

/* libFuzzer installs no handler where there is one. */
static void
give_signals_away(void)
{
	static const int signals[] = {SIGALRM, SIGINT, SIGTERM, SIGFPE, SIGSEGV, SIGBUS, SIGABRT, SIGILL};

	for (int i = 0; i < (int) lengthof(signals); i++)
		pqsignal(signals[i], SIG_DFL);
}

/* fuzz.run(arguments text[]): as libFuzzer's command line has them; does not return. */
Datum
fuzz_run(PG_FUNCTION_ARGS)
{
	Datum	   *elements;
	int			nelements;
	int			argc;
	char	  **argv;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &nelements);
	argc = nelements + 1;
	argv = MemoryContextAllocZero(TopMemoryContext, sizeof(char *) * (argc + 1));
	argv[0] = "fuzz";
	for (int i = 0; i < nelements; i++)
		argv[i + 1] = MemoryContextStrdup(TopMemoryContext, TextDatumGetCString(elements[i]));
	if (getenv("FUZZ_FINDINGS") == NULL)
		elog(ERROR, "FUZZ_FINDINGS does not name a directory");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	give_signals_away();
	exit(LLVMFuzzerRunDriver(&argc, &argv, fuzz_one));
}
