/*
 * search_attribute.h
 *		Search attributes: typed values by which runs are found, as a definition declares them.
 */
#ifndef OW_SEARCH_ATTRIBUTE_H
#define OW_SEARCH_ATTRIBUTE_H

#include "datatype/timestamp.h"
#include "machine/path.h"

#define OW_MAX_KEYWORD 1000		/* bytes: they are indexed */

typedef enum OwSearchType
{
	OW_SEARCH_KEYWORD,
	OW_SEARCH_KEYWORD_LIST,
	OW_SEARCH_TEXT,
	OW_SEARCH_INT,
	OW_SEARCH_DOUBLE,
	OW_SEARCH_BOOL,
	OW_SEARCH_DATETIME
} OwSearchType;

extern const char *ow_search_type_name(OwSearchType type);

typedef struct OwSearchAttribute
{
	char	   *name;
	OwSearchType type;
	OwPath	   *path;			/* into the input of a run; NULL: given, or not there */
	bool		redacted;		/* the path reads what is hidden from logs and reports */
} OwSearchAttribute;

/* One value; of a list, there is one for each element */
typedef struct OwSearchValue
{
	const OwSearchAttribute *attribute;
	int			position;		/* in a list, from 0 */
	char	   *text;			/* Keyword, KeywordList, Text */
	int64		number;			/* Int */
	double		real;			/* Double */
	bool		truth;			/* Bool */
	TimestampTz instant;		/* Datetime */
} OwSearchValue;

struct OwDefinition;

/* NULL: it is not declared */
extern const OwSearchAttribute *ow_search_attribute_find(const struct OwDefinition *definition, const char *name);
extern const char *ow_search_attribute_nearest(const struct OwDefinition *definition, const char *name);

/* Appends the values; false when the value is not of the attribute's type.  A JSON null is no value. */
extern bool ow_search_values_read(const OwSearchAttribute *attribute, const JsonbValue *value, List **values);

/* The first of {name: value} that is declared and whose value, which is given, is not of its type; NULL */
extern const OwSearchAttribute *ow_search_attributes_mismatch(const struct OwDefinition *definition, const Jsonb *attributes,
															  JsonbValue *value);

/* What the definition takes from the input of a run, over which what is given goes: {name: value}; NULL: nothing */
extern Jsonb *ow_search_attributes_of(const struct OwDefinition *definition, const Jsonb *input, const Jsonb *given);

#endif							/* OW_SEARCH_ATTRIBUTE_H */
