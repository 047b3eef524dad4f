/*
 * fields.h
 *		A table-driven check of an object's fields, and typed reading of them.
 *
 * A kind of object is described by one or more tables of OwField.  ow_fields_check reports unknown
 * keys (with the nearest known one), wrong types, missing and not yet supported fields; the readers
 * then skip in silence what the check has reported.
 */
#ifndef OW_FIELDS_H
#define OW_FIELDS_H

#include "machine/expression.h"
#include "machine/problems.h"

/* JSON types a field may have; 0 stands for a field of the language that is not supported yet */
#define OW_NOT_YET		0
#define OW_STRING		(1 << 0)
#define OW_NUMBER		(1 << 1)
#define OW_BOOLEAN		(1 << 2)
#define OW_NULL			(1 << 3)
#define OW_OBJECT		(1 << 4)
#define OW_ARRAY		(1 << 5)
#define OW_INTEGER		(1 << 6)	/* a number without a fraction: of payloads only, not of fields */
#define OW_JSONPATH_ONLY (1 << 7)	/* in a table of the other language's states: known, and
									 * refused */
#define OW_SQL_ONLY		(1 << 8)
#define OW_ANY			(OW_STRING | OW_NUMBER | OW_BOOLEAN | OW_NULL | OW_OBJECT | OW_ARRAY)

#define OW_REQUIRED		true
#define OW_OPTIONAL		false

#define OW_MAX_SECONDS	99999999	/* ASL's limit, a little over three years */

typedef struct OwField
{
	const char *name;			/* NULL ends a table */
	int			types;
	bool		required;
} OwField;

/* The types for people: "a string or null" */
extern char *ow_describe_types(int types);

/* False (reported) when source is no object; tables ends with NULL. */
extern bool ow_fields_check(const JsonbValue *source, const char *where,
							const OwField *const *tables, OwProblems *problems);

/* The object without fields that are in no table: they are reported, and what they hold does not matter */
extern JsonbValue ow_fields_known(const JsonbValue *source, const OwField *const *tables);

/* A member of the wanted type; false when absent or of another */
extern bool ow_field_get(const JsonbValue *source, const char *name, int types, JsonbValue *value);
extern bool ow_field_is_present(const JsonbValue *source, const char *name);
extern char *ow_field_string(const JsonbValue *source, const char *name);	/* NULL when absent */

/* An integer in [low, high], reported when it is not; fallback when absent or bad */
extern int64 ow_field_integer(const JsonbValue *source, const char *name, int64 low, int64 high,
							  int64 fallback, const char *where, OwProblems *problems);

/* Seconds in [low, OW_MAX_SECONDS] as milliseconds; -1 (OW_UNSET) when absent or bad */
extern int64 ow_field_seconds_ms(const JsonbValue *source, const char *name, int low,
								 const char *where, OwProblems *problems);

/* A path; NULL when absent, bad (reported) or null (is_null, if given, tells which) */
extern OwPath *ow_field_path(const JsonbValue *source, const char *name, bool reference_only,
							 bool *is_null, const char *where, OwProblems *problems);

/* A path to one value, or a call of a function; NULL when absent; bad ones are reported */
extern OwExpression *ow_field_expression(const JsonbValue *source, const char *name, const char *where,
										 OwProblems *problems);

/* One of the names listed (ends with NULL): its position, -1 when absent or bad (reported) */
extern int	ow_field_choice(const JsonbValue *source, const char *name, const char *const *choices,
							const char *where, OwProblems *problems);

/* Reports more than one of the fields (names ends with NULL) and, if needed, none of them. */
extern void ow_fields_exclusive(const JsonbValue *source, const char *const *names, bool needed,
								const char *where, OwProblems *problems);

#endif							/* OW_FIELDS_H */
