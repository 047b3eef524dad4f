/*
 * run_options.c
 *		What a start says of its run beyond the definition.
 */
#include "postgres.h"

#include "machine/instant.h"
#include "machine/json.h"
#include "store/run_options.h"

Jsonb *
ow_run_options_make(const Jsonb *retry, int64 run_timeout_ms, int priority)
{
	OwObject	object;

	if (retry == NULL && run_timeout_ms == OW_UNSET && priority == 0)
		return NULL;
	ow_object_begin(&object);
	if (retry != NULL)
		ow_object_add(&object, "Retry", retry);
	if (run_timeout_ms != OW_UNSET)
		ow_object_add_int(&object, "RunTimeoutMs", run_timeout_ms);
	if (priority != 0)
		ow_object_add_int(&object, "Priority", priority);
	return ow_object_end(&object);
}

Jsonb *
ow_run_options_searchable(const Jsonb *options, Jsonb *attributes)
{
	return ow_json_with_member(options ? options : ow_json_empty_object(), "Searchable",
							   attributes ? attributes : ow_json_bool(true));
}

Jsonb *
ow_run_options_search_attributes(const Jsonb *options)
{
	Jsonb	   *attributes = options ? ow_json_get(options, "Searchable") : NULL;

	return attributes != NULL && JB_ROOT_IS_OBJECT(attributes) ? attributes : NULL;
}

bool
ow_run_options_is_searchable(const Jsonb *options)
{
	JsonbValue	value;

	return options != NULL && ow_json_member(options, "Searchable", &value);
}

static bool
int_member(const Jsonb *options, const char *name, int64 *number)
{
	JsonbValue	value;

	return options != NULL && ow_json_member(options, name, &value) && ow_json_value_int64(&value, number);
}

int
ow_run_options_priority(const Jsonb *options)
{
	int64		priority = 0;

	(void) int_member(options, "Priority", &priority);
	return (int) priority;
}

TimestampTz
ow_run_options_deadline(const Jsonb *options, TimestampTz begin_at, TimestampTz deadline)
{
	int64		ms;

	return int_member(options, "RunTimeoutMs", &ms) ? Min(deadline, ow_instant_add_ms(begin_at, ms)) : deadline;
}

static void
read_counts(const Jsonb *options, int *counts)
{
	JsonbValue	array;
	JsonbValue	element;
	int64		count;

	memset(counts, 0, sizeof(int) * OW_MAX_RETRIERS);
	if (options == NULL || !ow_json_member(options, "RetryCounts", &array))
		return;
	for (int i = 0; i < OW_MAX_RETRIERS && ow_json_value_element(&array, i, &element); i++)
	{
		if (ow_json_value_int64(&element, &count))
			counts[i] = (int) count;
	}
}

static Jsonb *
counts_json(const int *counts)
{
	JsonbParseState *state = NULL;
	int			used = OW_MAX_RETRIERS;

	while (used > 0 && counts[used - 1] == 0)
		used--;
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < used; i++)
	{
		JsonbValue	value;

		ow_json_as_value(ow_json_int(counts[i]), &value);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

bool
ow_run_options_retry(const Jsonb *options, const OwDefinition *definition, OwRetryQuestion *question,
					 OwRetryAnswer *answer)
{
	int			counts[OW_MAX_RETRIERS];
	OwTaskOptions given;
	JsonbValue	source;

	if (options != NULL && ow_json_member(options, "Retry", &source))
	{
		OwProblems	ignored = {0};

		ow_json_as_value(options, &source);
		ow_task_options_init(&given);
		ow_task_options_read_retry(&given, &source, &ignored);
	}
	else
		given = definition->retry;
	read_counts(options, counts);
	question->retriers = given.retriers;
	question->nretriers = given.nretriers;
	question->counts = counts;
	*answer = ow_retry_decide(question);
	return answer->retry;
}

Jsonb *
ow_run_options_next(const Jsonb *options, const OwRetryAnswer *answer)
{
	int			counts[OW_MAX_RETRIERS];

	if (!answer->retry)
		return options ? ow_json_without_member(options, "RetryCounts") : NULL;
	read_counts(options, counts);
	counts[answer->retrier]++;
	return ow_json_with_member(options ? options : ow_json_empty_object(), "RetryCounts", counts_json(counts));
}
