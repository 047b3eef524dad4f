/*
 * redact.c
 *		What a definition hides is hidden: its paths lead to nothing else any more.
 */
#include "postgres.h"

#include "fuzz.h"
#include "machine/json.h"
#include "machine/redact.h"

static bool
is_mark(const JsonbValue *value)
{
	return value->type == jbvString && value->val.string.len == strlen(OW_REDACTED) &&
		memcmp(value->val.string.val, OW_REDACTED, strlen(OW_REDACTED)) == 0;
}

static void
check_path(const OwPath *path, const Jsonb *shown)
{
	OwScope		scope = {.data = shown};
	const char *missing_cause;
	JsonbValue	found;
	JsonbValue *elements = &found;
	int			count = 1;

	if (!ow_path_get(path, &scope, &found, &missing_cause))
		return;
	if (!ow_path_is_reference(path))
		elements = ow_json_elements(&found, &count);
	for (int i = 0; i < count; i++)
	{
		if (!is_mark(&elements[i]))
			fuzz_finding("the path %s leads to what it hides", ow_path_text(path));
	}
}

/* What is the whole text is not left in it. */
static void
check_text(const OwDefinition *definition, const Jsonb *document)
{
	OwScope		scope = {.data = document};
	List	   *values = ow_redact_collect(definition, document, NIL);

	for (int i = 0; i < definition->nredacted; i++)
	{
		const char *missing_cause;
		JsonbValue	found;
		char	   *text;

		if (!ow_path_is_reference(definition->redacted[i]) ||
			!ow_path_get(definition->redacted[i], &scope, &found, &missing_cause) ||
			found.type != jbvString || found.val.string.len < OW_REDACTED_LENGTH)
			continue;
		text = ow_json_value_cstring(&found);
		if (strstr(OW_REDACTED, text) == NULL && strstr(ow_redact_text(text, values), text) != NULL)
			fuzz_finding("the path %s leads to a text that is not hidden in itself", ow_path_text(definition->redacted[i]));
	}
}

void
fuzz_redact(const OwDefinition *definition, const Jsonb *document)
{
	const Jsonb *shown[] = {
		ow_redact(definition, document, false), ow_redact(definition, document, true), ow_redact_event(definition, document)
	};

	for (int i = 0; i < (int) lengthof(shown); i++)
	{
		for (int j = 0; j < definition->nredacted; j++)
			check_path(definition->redacted[j], shown[i]);
		if (!ow_json_equal(ow_redact(definition, shown[i], i > 0), shown[i]))
			fuzz_finding("what is hidden is hidden otherwise the second time");
	}
	if (definition->nredacted == 0 && !ow_json_equal(shown[0], document))
		fuzz_finding("something is hidden that no path leads to");
	check_text(definition, document);
}
