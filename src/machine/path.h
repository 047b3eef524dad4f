/*
 * path.h
 *		Reference Paths and JSONPath of the Amazon States Language, compiled once.
 *
 * "$" reads the state's data, "$$" the context object, "$name" a variable.  A path of fields and
 * indexes only is definite: it is walked straight through the jsonb container and selects at most
 * one value.  Anything more (wildcards, slices, unions, filters, "..") is a query, evaluated by
 * path_query.c as Step Functions does, which PostgreSQL's jsonpath cannot express: a member missing
 * in one element neither ends the query (strict) nor unwraps arrays (lax).  A query never fails;
 * its value is the array of what it found, empty if nothing.
 */
#ifndef OW_PATH_H
#define OW_PATH_H

#include "postgres.h"
#include "machine/failure.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

typedef struct OwPath OwPath;

/* What paths and templates are evaluated against. */
typedef struct OwScope
{
	const Jsonb *data;			/* $ */
	const Jsonb *variables;		/* $name: an object, or NULL */
	Jsonb	   *context;		/* $$: built on first use by make_context */

	/*
	 * Of $$, what paths that begin with these names need (member NULL: all of it; inner NULL: all
	 * of the member): the run's input may be large, and is seldom what is asked for.
	 */
	Jsonb	   *(*make_context) (void *arg, const char *member, const char *inner);
	void	   *make_context_arg;
	uint64		random;			/* state of ow_random_next, for the functions that draw numbers */
} OwScope;

extern const Jsonb *ow_scope_context(OwScope *scope);

/*
 * Compile a path.  With reference_only, only Reference Paths pass (ResultPath).
 * Returns NULL and sets *error to a lower-case reason when the text is no such path.
 */
extern OwPath *ow_path_compile(const char *text, bool reference_only, const char **error);

/* Compile a path that stands in an argument list: it ends before a comma, a parenthesis or a space. */
extern OwPath *ow_path_compile_argument(const char *text, const char **end, const char **error);

extern const char *ow_path_text(const OwPath *path);
extern bool ow_path_is_root(const OwPath *path);	/* exactly "$" */
extern bool ow_path_is_data(const OwPath *path);	/* begins with "$", not "$$" or "$name" */
extern bool ow_path_is_reference(const OwPath *path);	/* selects at most one value */

/* Adds the names of the variables that the path reads, in its filters, too, to names; each once. */
extern List *ow_path_variables(List *names, const OwPath *path);

/*
 * Is this the name of a variable: a Unicode identifier of at most OW_MAX_VARIABLE_NAME characters?
 * The length of the identifier that text begins with, in bytes; 0 when there is none.
 */
#define OW_MAX_VARIABLE_NAME 80
extern bool ow_variable_name_is_valid(const char *name);
extern int	ow_variable_name_length(const char *text);

/*
 * Read the path.  True: *value is set (points into the scope's data, or freshly allocated).
 * False: *missing_cause tells what was not there, for the failure's cause.
 */
extern bool ow_path_get(const OwPath *path, OwScope *scope, JsonbValue *value, const char **missing_cause);
extern Jsonb *ow_path_get_json(const OwPath *path, OwScope *scope, const char **missing_cause);

/*
 * Write value into data at a Reference Path over "$", making objects on the way as ASL's
 * ResultPath does.  Returns NULL and fills failure (States.ResultPathMatchFailure) if it cannot.
 */
extern Jsonb *ow_path_set(const OwPath *path, const Jsonb *data, const Jsonb *value, OwFailure *failure);

#endif							/* OW_PATH_H */
