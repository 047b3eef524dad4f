/*
 * path_internal.h
 *		What a compiled path is made of; shared by path.c, path_parse.c, path_query.c and redact.c only.
 */
#ifndef OW_PATH_INTERNAL_H
#define OW_PATH_INTERNAL_H

#include "machine/path.h"

typedef enum OwPathRoot
{
	OW_ROOT_DATA,				/* $ */
	OW_ROOT_CONTEXT,			/* $$ */
	OW_ROOT_VARIABLE,			/* $name */
	OW_ROOT_ELEMENT				/* @, within a filter */
} OwPathRoot;

typedef enum OwSegmentKind
{
	OW_SEGMENT_MEMBER,			/* .name, ['name'] */
	OW_SEGMENT_INDEX,			/* [0], [-1] */
	OW_SEGMENT_MEMBERS,			/* ['a','b'] */
	OW_SEGMENT_INDEXES,			/* [0,2] */
	OW_SEGMENT_SLICE,			/* [1:3] */
	OW_SEGMENT_WILDCARD,		/* .*, [*] */
	OW_SEGMENT_DESCEND,			/* ..: the value and all below it */
	OW_SEGMENT_FILTER			/* [?(…)] */
} OwSegmentKind;

typedef struct OwFilter OwFilter;

typedef struct OwPathSegment
{
	OwSegmentKind kind;
	int			count;			/* MEMBERS, INDEXES; 1 for MEMBER, INDEX */
	char	  **names;			/* MEMBER, MEMBERS */
	int		   *indexes;		/* INDEX, INDEXES; negative: from the end */
	bool		has_from;		/* SLICE */
	bool		has_to;
	int			from;
	int			to;
	int			stride;			/* at least 1 */
	OwFilter   *filter;
} OwPathSegment;

struct OwPath
{
	char	   *text;
	OwPathRoot	root;
	char	   *variable;		/* VARIABLE: its name */
	bool		definite;
	int			nsegments;
	OwPathSegment *segments;
};

typedef enum OwFilterKind
{
	OW_FILTER_OR,
	OW_FILTER_AND,
	OW_FILTER_NOT,
	OW_FILTER_EXISTS,
	OW_FILTER_COMPARE
} OwFilterKind;

typedef enum OwComparison
{
	OW_COMPARE_EQUAL,
	OW_COMPARE_NOT_EQUAL,
	OW_COMPARE_LESS,
	OW_COMPARE_LESS_EQUAL,
	OW_COMPARE_GREATER,
	OW_COMPARE_GREATER_EQUAL
} OwComparison;

typedef struct OwFilterOperand
{
	OwPath	   *path;			/* NULL: the literal */
	JsonbValue	literal;
} OwFilterOperand;

struct OwFilter
{
	OwFilterKind kind;
	OwFilter   *left;			/* OR, AND; NOT */
	OwFilter   *right;			/* OR, AND */
	OwComparison comparison;	/* COMPARE */
	OwFilterOperand operands[2];	/* EXISTS has the first only */
};

/*
 * path_parse.c: NULL with *error set when text is no path.  With end, the path is an argument of a
 * call and *end is set behind it; else it must be all of the text.
 */
extern OwPath *ow_path_parse(const char *text, const char **end, const char **error);

/* path.c: the member or element that a definite segment selects; false if there is none */
extern bool ow_path_enter(const OwPathSegment *segment, const JsonbValue *from, JsonbValue *to);

/* path_query.c: what an indefinite path selects from a root value, as an array */
extern Jsonb *ow_path_query(const OwPath *path, const JsonbValue *root, OwScope *scope);

/* path.c: the value a path starts from; false for a variable that has no value */
extern bool ow_path_root_value(const OwPath *path, OwScope *scope, const JsonbValue *element,
							   JsonbValue *root);

#endif							/* OW_PATH_INTERNAL_H */
