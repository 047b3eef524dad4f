/*
 * case.c
 *		Takes the fuzzer's bytes apart.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fuzz.h"
#include "mb/pg_wchar.h"

/* SQL gives us no NUL and no invalid character: a question mark stands for each. */
static void
make_valid(char *text, size_t size)
{
	for (size_t at = 0; at < size;)
	{
		int			length = text[at] == '\0' ? -1 : pg_encoding_verifymbchar(GetDatabaseEncoding(), text + at, size - at);

		if (length < 0)
			text[at++] = '?';
		else
			at += length;
	}
}

/* The part that *rest begins with; *rest goes on after its "%%" line, or to the end. */
static char *
next_part(char **rest)
{
	char	   *part = *rest;
	char	   *end = strncmp(part, "%%\n", 3) == 0 ? part : strstr(part, "\n%%\n");

	if (end == NULL)
		*rest += strlen(part);
	else
	{
		*rest = end + (end == part && *end == '%' ? 3 : 4);
		*end = '\0';
	}
	return part;
}

void
fuzz_case_read(const uint8 *data, size_t size, FuzzCase *result)
{
	char	   *rest = palloc(size + 1);

	memcpy(rest, data, size);
	rest[size] = '\0';
	make_valid(rest, size);
	result->hash = hash_bytes_extended(data, size, 0);
	result->definition = next_part(&rest);
	result->input = next_part(&rest);
	result->script = rest;
}
