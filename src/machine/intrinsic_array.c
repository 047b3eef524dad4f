/*
 * intrinsic_array.c
 *		States.Array, ArrayPartition, ArrayContains, ArrayRange, ArrayGetItem, ArrayLength, ArrayUnique.
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "machine/intrinsic_internal.h"
#include "machine/json.h"
#include "utils/fmgrprotos.h"

#define MAX_RANGE 1000			/* elements, as Step Functions */

static Jsonb *
make_array(JsonbValue *elements, int count)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
		(void) pushJsonbValue(&state, WJB_ELEM, &elements[i]);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

bool
ow_intrinsic_array(OwCall *call)
{
	return ow_call_return(call, make_array(call->arguments, call->expression->narguments));
}

bool
ow_intrinsic_array_partition(OwCall *call)
{
	JsonbParseState *state = NULL;
	JsonbValue *elements;
	int			count;
	int64		size;

	if (!ow_call_array(call, 0, &elements, &count) || !ow_call_integer(call, 1, &size))
		return false;
	if (size < 1)
		return ow_call_refuse(call, "the size of a part must be at least 1");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		if (i % size == 0)
			(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		(void) pushJsonbValue(&state, WJB_ELEM, &elements[i]);
		if (i % size == size - 1 || i == count - 1)
			(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	return ow_call_return(call, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

bool
ow_intrinsic_array_contains(OwCall *call)
{
	JsonbValue *elements;
	int			count;
	bool		found = false;

	if (!ow_call_array(call, 0, &elements, &count))
		return false;
	for (int i = 0; i < count && !found; i++)
		found = ow_json_values_equal(&elements[i], &call->arguments[1]);
	return ow_call_return(call, ow_json_bool(found));
}

bool
ow_intrinsic_array_range(OwCall *call)
{
	JsonbParseState *state = NULL;
	int64		first;
	int64		last;
	int64		step;
	int			count = 0;

	if (!ow_call_integer(call, 0, &first) || !ow_call_integer(call, 1, &last) || !ow_call_integer(call, 2, &step))
		return false;
	if (step == 0)
		return ow_call_refuse(call, "the step must not be 0");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int64 at = first; step > 0 ? at <= last : at >= last;)
	{
		JsonbValue	number;

		if (++count > MAX_RANGE)
			return ow_call_refuse(call, "the range has more than %d elements", MAX_RANGE);
		ow_json_as_value(ow_json_int(at), &number);
		(void) pushJsonbValue(&state, WJB_ELEM, &number);
		if (pg_add_s64_overflow(at, step, &at))
			break;
	}
	return ow_call_return(call, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

bool
ow_intrinsic_array_get_item(OwCall *call)
{
	JsonbValue *elements;
	int			count;
	int64		index;

	if (!ow_call_array(call, 0, &elements, &count) || !ow_call_integer(call, 1, &index))
		return false;
	if (index < 0 || index >= count)
		return ow_call_refuse(call, "the array has %d elements, none is at " INT64_FORMAT, count, index);
	*call->result = elements[index];
	return true;
}

bool
ow_intrinsic_array_length(OwCall *call)
{
	JsonbValue *elements;
	int			count;

	return ow_call_array(call, 0, &elements, &count) && ow_call_return(call, ow_json_int(count));
}

/* ---- ArrayUnique ---- */

/* Equal elements have equal hashes, so that only neighbours in this order need comparing. */
typedef struct HashedElement
{
	uint32		hash;
	int			position;
	JsonbValue *value;
} HashedElement;

static int
compare_hashed(const void *a, const void *b)
{
	const HashedElement *left = a;
	const HashedElement *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->position - right->position;
}

static HashedElement *
hash_elements(JsonbValue *elements, int count)
{
	HashedElement *hashed = palloc(Max(count, 1) * sizeof(HashedElement));

	for (int i = 0; i < count; i++)
	{
		Jsonb	   *json = JsonbValueToJsonb(&elements[i]);

		hashed[i].hash = DatumGetUInt32(DirectFunctionCall1(jsonb_hash, JsonbPGetDatum(json)));
		hashed[i].position = i;
		hashed[i].value = &elements[i];
		pfree(json);
	}
	qsort(hashed, count, sizeof(HashedElement), compare_hashed);
	return hashed;
}

/* Of equal elements the first stays. */
bool
ow_intrinsic_array_unique(OwCall *call)
{
	JsonbValue *elements;
	HashedElement *hashed;
	bool	   *repeated;
	int			count;
	int			kept = 0;

	if (!ow_call_array(call, 0, &elements, &count))
		return false;
	hashed = hash_elements(elements, count);
	repeated = palloc0(Max(count, 1) * sizeof(bool));
	for (int i = 1; i < count; i++)
	{
		for (int j = i - 1; j >= 0 && hashed[j].hash == hashed[i].hash && !repeated[hashed[i].position]; j--)
			repeated[hashed[i].position] = !repeated[hashed[j].position] &&
				ow_json_values_equal(hashed[j].value, hashed[i].value);
	}
	for (int i = 0; i < count; i++)
	{
		if (!repeated[i])
			elements[kept++] = elements[i];
	}
	return ow_call_return(call, make_array(elements, kept));
}
