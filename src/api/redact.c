/*
 * redact.c
 *		workflow.redacted: documents of runs without what their definition hides, for reports.
 */
#include "postgres.h"

#include "api/api.h"
#include "machine/redact.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_redacted);

/* redacted(workflow text, version int, document jsonb, of_event boolean) RETURNS jsonb */
Datum
ow_redacted(PG_FUNCTION_ARGS)
{
	char	   *workflow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const OwDefinition *definition = ow_api_definition(workflow, PG_GETARG_INT32(1))->definition;
	const Jsonb *document = PG_GETARG_JSONB_P(2);

	if (definition->nredacted == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(2));
	PG_RETURN_JSONB_P(PG_GETARG_BOOL(3) ? ow_redact_event(definition, document) : ow_redact(definition, document, false));
}
