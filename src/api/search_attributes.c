/*
 * search_attributes.c
 *		workflow.upsert_search_attributes, and what is checked of search attributes.
 */
#include "postgres.h"

#include "api/api.h"
#include "api/search_attributes.h"
#include "errors.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_upsert_search_attributes);

static const OwSearchAttribute *
declared(const OwCompiled *compiled, const char *name)
{
	const OwSearchAttribute *attribute = ow_search_attribute_find(compiled->definition, name);
	const char *nearest;

	if (attribute != NULL)
		return attribute;
	nearest = ow_search_attribute_nearest(compiled->definition, name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("workflow \"%s\" has no search attribute \"%s\"", compiled->workflow, name),
			 errdetail("\"SearchAttributes\" of version %d does not declare it.", compiled->version),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
	return NULL;
}

static const char *
type_hint(OwSearchType type)
{
	switch (type)
	{
		case OW_SEARCH_KEYWORD:
			return psprintf("A Keyword is a string of at most %d bytes.", OW_MAX_KEYWORD);
		case OW_SEARCH_KEYWORD_LIST:
			return psprintf("A KeywordList is an array of at most 1000 strings of at most %d bytes each.", OW_MAX_KEYWORD);
		case OW_SEARCH_DATETIME:
			return "A Datetime is a string such as \"2030-01-01T12:00:00Z\".";
		case OW_SEARCH_INT:
			return "An Int is a whole number of 64 bits.";
		default:
			return psprintf("It must be %s.", type == OW_SEARCH_TEXT ? "a string" : type == OW_SEARCH_BOOL ? "true or false" : "a number");
	}
}

void
ow_api_report_search_attribute(const OwCompiled *compiled, const OwSearchAttribute *attribute, const JsonbValue *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_OW_INVALID_PAYLOAD),
			 errmsg("search attribute \"%s\" of workflow \"%s\" is not of its type %s", attribute->name, compiled->workflow,
					ow_search_type_name(attribute->type)),
			 errdetail("The value is %s.", ow_json_type_phrase(value)),
			 errhint("%s", type_hint(attribute->type))));
}

void
ow_api_check_search_attributes(const OwCompiled *compiled, const Jsonb *attributes)
{
	const OwSearchAttribute *mismatch;
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	char	   *name;

	if (!JB_ROOT_IS_OBJECT(attributes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("search_attributes must be a JSON object")));
	ow_json_as_value(attributes, &object);
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &name, &value))
		(void) declared(compiled, name);
	mismatch = ow_search_attributes_mismatch(compiled->definition, attributes, &value);
	if (mismatch != NULL)
		ow_api_report_search_attribute(compiled, mismatch, &value);
}

/* upsert_search_attributes(workflow_id text | run_id uuid, search_attributes jsonb) */
Datum
ow_upsert_search_attributes(PG_FUNCTION_ARGS)
{
	OwFoundRun *run;
	Jsonb	   *attributes = ow_api_jsonb(fcinfo, 1, "search_attributes");
	OwObject	payload;

	PreventCommandIfReadOnly("workflow.upsert_search_attributes()");
	run = ow_api_run_for(fcinfo, OW_PRIVILEGE_READ | OW_PRIVILEGE_SIGNAL);
	ow_api_check_may_signal(run, "change search attributes of");
	ow_api_check_open(run);
	ow_api_check_search_attributes(ow_api_definition(run->workflow, run->version), attributes);
	ow_object_begin(&payload);
	ow_object_add(&payload, "search_attributes", attributes);
	(void) ow_message_send(run, "SearchAttributes", NULL, ow_object_end(&payload), GetUserId());
	PG_RETURN_VOID();
}
