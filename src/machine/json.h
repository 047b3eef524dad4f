/*
 * json.h
 *		Helpers over jsonb values, for the pure core.
 *
 * Payloads are whole Jsonb values (scalars in their raw-scalar form), allocated in
 * CurrentMemoryContext.  Nothing here touches the catalog or SPI.
 */
#ifndef OW_JSON_H
#define OW_JSON_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* Whole values */
extern Jsonb *ow_json_null(void);
extern Jsonb *ow_json_bool(bool value);
extern Jsonb *ow_json_int(int64 value);
extern Jsonb *ow_json_text(const char *value);
extern Jsonb *ow_json_empty_object(void);
extern Jsonb *ow_json_copy(const Jsonb *json);
extern Jsonb *ow_json_from_value(JsonbValue *value);
extern bool ow_json_is_null(const Jsonb *json);
extern bool ow_json_equal(const Jsonb *a, const Jsonb *b);

/* Text form, as jsonb::text; and text parsed as jsonb (raises on bad syntax) */
extern char *ow_json_to_cstring(const Jsonb *json);
extern Jsonb *ow_json_from_cstring(const char *text);

/*
 * Text that may be no JSON at all (json_text.c): NULL when it is not, or not such that jsonb takes it.
 * And a value as text without spaces, as JavaScript writes it.
 */
extern Jsonb *ow_json_parse(const char *text);
extern char *ow_json_compact(const JsonbValue *value);

/* The deepest nesting of brackets outside strings, before a recursive parser sees them */
extern int	ow_json_text_nesting(const char *text);

/* Is this number, as written, one that numeric holds? */
extern bool ow_json_number_fits(const char *number);

/* A Jsonb as a JsonbValue: jbvBinary for containers, the scalar itself else. No copy. */
extern void ow_json_as_value(const Jsonb *json, JsonbValue *value);

/* Member of an object; false when absent or not an object. The value points into the container. */
extern bool ow_json_member(const Jsonb *json, const char *key, JsonbValue *value);
extern bool ow_json_container_member(JsonbContainer *container, const char *key, JsonbValue *value);

/* Member as a whole value, NULL when absent */
extern Jsonb *ow_json_get(const Jsonb *json, const char *key);

/* String member as a C string, NULL when absent or not a string */
extern char *ow_json_get_string(const Jsonb *json, const char *key);

/* JsonbValue conversions */
extern char *ow_json_value_cstring(const JsonbValue *value);	/* jbvString only */
extern bool ow_json_value_int64(const JsonbValue *value, int64 *out);	/* integral numbers that
																		 * fit */
extern double ow_json_value_double(const JsonbValue *value);	/* jbvNumeric only */
extern const char *ow_json_type_name(const JsonbValue *value);	/* "string", "number", … */
extern const char *ow_json_type_phrase(const JsonbValue *value);	/* "a string", "an array",
																	 * "null", … */
extern bool ow_json_value_is_object(const JsonbValue *value);
extern bool ow_json_value_is_array(const JsonbValue *value);

/* Equal as jsonb values: numbers by value, objects whatever the order of their keys */
extern bool ow_json_values_equal(const JsonbValue *a, const JsonbValue *b);

/*
 * Walking a container, one level deep.
 *
 *		OwJsonMembers members;
 *		ow_json_members_begin(&members, object);
 *		while (ow_json_members_next(&members, &key, &value))
 *
 * On a value that is no object there are no members.  The key is a C string of its own.
 */
typedef struct OwJsonMembers
{
	JsonbIterator *iterator;	/* NULL: nothing to walk */
} OwJsonMembers;

extern void ow_json_members_begin(OwJsonMembers *members, const JsonbValue *object);
extern bool ow_json_members_next(OwJsonMembers *members, char **key, JsonbValue *value);

/* Number of elements or members; 0 for a scalar */
extern int	ow_json_value_count(const JsonbValue *container);

/* Element of an array; false when out of range or not an array */
extern bool ow_json_value_element(const JsonbValue *array, int index, JsonbValue *value);

/* All elements, in one pass */
extern JsonbValue *ow_json_elements(const JsonbValue *array, int *count);

/* An array of these values: of Jsonb * */
extern Jsonb *ow_json_array(const List *values);

/*
 * Object builder: keys may come in any order; a later key replaces an earlier one.
 *
 *		OwObject	object;
 *		ow_object_begin(&object);
 *		ow_object_add_text(&object, "Error", "States.Timeout");
 *		json = ow_object_end(&object);
 *
 * The add functions that take a pointer skip the key when the pointer is NULL.
 */
typedef struct OwObject
{
	JsonbParseState *parse_state;
} OwObject;

extern void ow_object_begin(OwObject *object);
extern void ow_object_add(OwObject *object, const char *key, const Jsonb *value);
extern void ow_object_add_value(OwObject *object, const char *key, JsonbValue *value);
extern void ow_object_add_text(OwObject *object, const char *key, const char *value);
extern void ow_object_add_int(OwObject *object, const char *key, int64 value);
extern void ow_object_add_bool(OwObject *object, const char *key, bool value);
extern Jsonb *ow_object_end(OwObject *object);

/* The object with the members of another set or replaced */
extern Jsonb *ow_json_merged(const Jsonb *base, const Jsonb *over);

/* The object without one of its members */
extern Jsonb *ow_json_without_member(const Jsonb *base, const char *key);

/* The object with one member set or replaced (base NULL or not an object: a new object) */
extern Jsonb *ow_json_with_member(const Jsonb *base, const char *key, const Jsonb *value);

#endif							/* OW_JSON_H */
