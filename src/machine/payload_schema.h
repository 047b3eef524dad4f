/*
 * payload_schema.h
 *		Types of payloads: a subset of JSON Schema, or a composite type of the database by its name.
 *
 * A definition's Input and Output and an activity's Input declare one, as a string (the name of a
 * composite type) or an object (JSON Schema).  Compiling reports what is wrong with it, checking a
 * value collects where it differs.  The columns of a composite type are known to the shell only: it
 * makes an OwSchema of them (engine/payload.c), with a test of its own for each scalar, so that there
 * is one walk over the value and one way to say what does not fit.
 *
 * To add a keyword: its row in schema_fields and its reader in payload_schema.c, its meaning in
 * payload_check.c.
 */
#ifndef OW_PAYLOAD_SCHEMA_H
#define OW_PAYLOAD_SCHEMA_H

#include "machine/fields.h"
#include "machine/problems.h"
#include "utils/numeric.h"

#define OW_MAX_MISMATCHES 10	/* reported for one value */

typedef enum OwFormat
{
	OW_FORMAT_NONE,
	OW_FORMAT_DATE_TIME,
	OW_FORMAT_DATE,
	OW_FORMAT_UUID
} OwFormat;

/* What the shell knows of a scalar: NULL when the value is one, else the problem in words */
typedef char *(*OwScalarTest) (void *arg, const JsonbValue *value);

struct OwSchema;

typedef struct OwProperty
{
	char	   *name;
	struct OwSchema *schema;	/* NULL: any value */
	bool		required;
} OwProperty;

typedef struct OwSchema
{
	int			types;			/* OW_STRING, …, of fields.h; OW_INTEGER */
	int			nallowed;		/* enum, const; 0: any value */
	Jsonb	  **allowed;

	Numeric		minimum;		/* NULL: none */
	Numeric		maximum;
	Numeric		exclusive_minimum;
	Numeric		exclusive_maximum;

	int64		min_length;		/* characters; OW_NO_LIMIT */
	int64		max_length;
	text	   *pattern;		/* NULL: none */
	OwFormat	format;

	int64		min_items;
	int64		max_items;
	bool		unique_items;
	struct OwSchema *items;		/* NULL: any */
	bool		nested;			/* an array of the database, of any number of dimensions */

	int			nproperties;
	OwProperty *properties;		/* in the order of ow_property_compare */
	bool		closed;			/* other members are errors */
	struct OwSchema *additional;	/* what they are when not closed; NULL: anything */

	OwScalarTest test;			/* of a column's type; NULL: none */
	void	   *test_arg;
} OwSchema;

#define OW_NO_LIMIT (-1)

/* A declared type */
typedef struct OwPayloadType
{
	char	   *type_schema;	/* of a composite type; NULL: there is a schema */
	char	   *type_name;
	OwSchema   *schema;
} OwPayloadType;

/* Where a value differs from its type: "$.lines[0].sku: expected a string, got 7" */
typedef struct OwMismatches
{
	List	   *lines;			/* of char *, the first OW_MAX_MISMATCHES */
	bool		more;			/* and that is not all */
} OwMismatches;

/*
 * The type that a member of source declares; NULL when absent or bad (reported).  Only the form of a
 * composite type's name is checked.
 */
extern OwPayloadType *ow_payload_type_compile(const JsonbValue *source, const char *name, const char *where,
											  OwProblems *problems);

/* A schema that takes any value */
extern OwSchema *ow_schema_make(void);
extern int	ow_property_compare(const void *a, const void *b);	/* of OwProperty, for qsort */

/* Adds to mismatches; a value that fits leaves them empty.  Allocates in the current context. */
extern void ow_schema_check(const OwSchema *schema, const Jsonb *value, OwMismatches *mismatches);

/* The lines as one text */
extern char *ow_mismatches_text(const OwMismatches *mismatches);

#endif							/* OW_PAYLOAD_SCHEMA_H */
