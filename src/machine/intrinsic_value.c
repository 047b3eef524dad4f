/*
 * intrinsic_value.c
 *		States.StringToJson, JsonToString, JsonMerge, MathAdd, MathRandom, UUID.
 */
#include "postgres.h"

#include "common/int.h"
#include "machine/intrinsic_internal.h"
#include "machine/json.h"
#include "machine/machine.h"
#include "machine/random.h"

/* ---- JSON ---- */

/* Nothing but white space is null, as on Step Functions. */
bool
ow_intrinsic_string_to_json(OwCall *call)
{
	char	   *text;
	Jsonb	   *json;

	if (!ow_call_text(call, 0, &text))
		return false;
	json = text[strspn(text, " \t\r\n")] == '\0' ? ow_json_null() : ow_json_parse(text);
	if (json == NULL)
		return ow_call_refuse(call, "argument 1 is not valid JSON");
	return ow_call_return(call, json);
}

bool
ow_intrinsic_json_to_string(OwCall *call)
{
	return ow_call_return_text(call, ow_json_compact(&call->arguments[0]));
}

/* Members of the second object win over those of the first; deeper ones are not merged. */
bool
ow_intrinsic_json_merge(OwCall *call)
{
	for (int i = 0; i < 2; i++)
	{
		if (!ow_json_value_is_object(&call->arguments[i]))
			return ow_call_refuse(call, "argument %d must be an object, not %s", i + 1,
								  ow_json_type_phrase(&call->arguments[i]));
	}
	if (call->arguments[2].type != jbvBool || call->arguments[2].val.boolean)
		return ow_call_refuse(call, "argument 3 must be false: objects are merged at their top level only");
	return ow_call_return(call, ow_json_merged(ow_json_from_value(&call->arguments[0]),
											   ow_json_from_value(&call->arguments[1])));
}

/* ---- numbers ---- */

bool
ow_intrinsic_math_add(OwCall *call)
{
	int64		a;
	int64		b;

	if (!ow_call_integer(call, 0, &a) || !ow_call_integer(call, 1, &b))
		return false;
	if (pg_add_s64_overflow(a, b, &a))
		return ow_call_refuse(call, "the sum is out of range");
	return ow_call_return(call, ow_json_int(a));
}

/* From the first number on, but less than the second; the same seed gives the same number. */
bool
ow_intrinsic_math_random(OwCall *call)
{
	uint64		random;
	int64		low;
	int64		high;
	int64		seed;

	if (!ow_call_integer(call, 0, &low) || !ow_call_integer(call, 1, &high))
		return false;
	if (low >= high)
		return ow_call_refuse(call, "argument 1 must be less than argument 2");
	if (call->expression->narguments == 3)
	{
		if (!ow_call_integer(call, 2, &seed))
			return false;
		random = (uint64) seed;
	}
	else
		random = ow_random_next(&call->scope->random);
	random = ow_random_next(&random);
	return ow_call_return(call, ow_json_int((int64) ((uint64) low + random % ((uint64) high - (uint64) low))));
}

/* A version 4 UUID, of the run's random numbers */
bool
ow_intrinsic_uuid(OwCall *call)
{
	pg_uuid_t	uuid;

	for (int i = 0; i < 2; i++)
	{
		uint64		random = ow_random_next(&call->scope->random);

		memcpy(uuid.data + 8 * i, &random, 8);
	}
	uuid.data[6] = (uuid.data[6] & 0x0F) | 0x40;
	uuid.data[8] = (uuid.data[8] & 0x3F) | 0x80;
	return ow_call_return_text(call, ow_uuid_to_cstring(&uuid));
}
