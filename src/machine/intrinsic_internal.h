/*
 * intrinsic_internal.h
 *		What a compiled call of an intrinsic function is made of; shared by the intrinsic*.c files only.
 *
 * To add a function: its C function in one of intrinsic_array.c, intrinsic_text.c, intrinsic_value.c,
 * declared below, and a row in functions[] of intrinsic.c.
 */
#ifndef OW_INTRINSIC_INTERNAL_H
#define OW_INTRINSIC_INTERNAL_H

#include "machine/expression.h"

#define OW_ANY_NUMBER (-1)		/* of arguments */

typedef struct OwIntrinsic OwIntrinsic;

typedef enum OwExpressionKind
{
	OW_EXPRESSION_PATH,
	OW_EXPRESSION_LITERAL,
	OW_EXPRESSION_CALL
} OwExpressionKind;

struct OwExpression
{
	OwExpressionKind kind;
	OwPath	   *path;
	JsonbValue	literal;
	char	   *escaped;		/* LITERAL: a string as written, with its backslashes; else NULL */
	const OwIntrinsic *function;
	int			narguments;
	OwExpression **arguments;
};

/* One evaluation of a call */
typedef struct OwCall
{
	const OwExpression *expression;
	OwScope    *scope;
	JsonbValue *arguments;
	JsonbValue *result;
	OwFailure  *failure;
} OwCall;

struct OwIntrinsic
{
	const char *name;
	int			least;
	int			most;			/* OW_ANY_NUMBER */

	/*
	 * What the arguments must be, for literals that can be checked at once: s string, n number, b
	 * true or false, a array, o object, ? anything; *: anything from here on
	 */
	const char *types;
	bool		(*evaluate) (OwCall *call);
};

/* intrinsic.c */
extern const OwIntrinsic *ow_intrinsic_find(const char *name, const char **nearest);

/* States.IntrinsicFailure, with the function's name before the reason; returns false */
extern bool ow_call_refuse(OwCall *call, const char *format, ...) pg_attribute_printf(2, 3);

/* Arguments of a wanted kind, counted from 0; false (refused) when it is of another */
extern bool ow_call_text(OwCall *call, int argument, char **text);
extern bool ow_call_integer(OwCall *call, int argument, int64 *number); /* rounded half up */
extern bool ow_call_array(OwCall *call, int argument, JsonbValue **elements, int *count);

extern bool ow_call_return(OwCall *call, const Jsonb *result);	/* true */
extern bool ow_call_return_text(OwCall *call, const char *text);

/* intrinsic_text.c: how many {} a template of States.Format has, escapes apart */
extern int	ow_format_count_holes(const char *template);

extern bool ow_intrinsic_format(OwCall *call);
extern bool ow_intrinsic_string_split(OwCall *call);
extern bool ow_intrinsic_base64_encode(OwCall *call);
extern bool ow_intrinsic_base64_decode(OwCall *call);
extern bool ow_intrinsic_hash(OwCall *call);

/* intrinsic_array.c */
extern bool ow_intrinsic_array(OwCall *call);
extern bool ow_intrinsic_array_partition(OwCall *call);
extern bool ow_intrinsic_array_contains(OwCall *call);
extern bool ow_intrinsic_array_range(OwCall *call);
extern bool ow_intrinsic_array_get_item(OwCall *call);
extern bool ow_intrinsic_array_length(OwCall *call);
extern bool ow_intrinsic_array_unique(OwCall *call);

/* intrinsic_value.c */
extern bool ow_intrinsic_string_to_json(OwCall *call);
extern bool ow_intrinsic_json_to_string(OwCall *call);
extern bool ow_intrinsic_json_merge(OwCall *call);
extern bool ow_intrinsic_math_random(OwCall *call);
extern bool ow_intrinsic_math_add(OwCall *call);
extern bool ow_intrinsic_uuid(OwCall *call);

#endif							/* OW_INTRINSIC_INTERNAL_H */
