/*
 * problems.h
 *		What is wrong with a definition: collected, never thrown, so that a user sees all of it at once.
 */
#ifndef OW_PROBLEMS_H
#define OW_PROBLEMS_H

#include "postgres.h"
#include "nodes/pg_list.h"

typedef enum OwSeverity
{
	OW_SEVERITY_ERROR,
	OW_SEVERITY_WARNING
} OwSeverity;

typedef struct OwProblem
{
	OwSeverity	severity;
	const char *code;			/* stable, CamelCase: "UnknownField", "UnreachableState", … */
	char	   *path;			/* where: "States.Pay.Retry[0].MaxAttempts"; "": the whole */
	char	   *message;		/* lower case, no full stop, names the state and the field */
	char	   *hint;			/* a sentence, or NULL */
} OwProblem;

/* A variable that an expression reads; whether any state assigns it shows only when all are compiled */
typedef struct OwVariableRead
{
	const char *name;
	const char *where;			/* of the field that holds the expression */
	const char *field;
} OwVariableRead;

typedef struct OwProblems
{
	List	   *list;			/* of OwProblem *, in the order found */
	int			errors;
	List	   *reads;			/* of OwVariableRead *: possible problems, for
								 * definition_variables.c */
	List	   *unchecked;		/* of OwSqlTemplate *: their expressions are the engine's to check */
} OwProblems;

/* path and hint may be NULL; the message is a format */
extern void ow_problem_add(OwProblems *problems, OwSeverity severity, const char *code,
						   const char *path, const char *hint, const char *format, ...) pg_attribute_printf(6, 7);

/* Member name of where holds a text that is no path, or no call of a function */
extern void ow_problem_add_path(OwProblems *problems, const char *where, const char *name, const char *text,
								const char *error);

/* Member name of where reads these variables (a list of char *) */
extern void ow_problems_note_reads(OwProblems *problems, const List *variables, const char *where, const char *name);

/*
 * Where a problem is: "States.Pay.Retry[0].MaxAttempts"; a name that holds more than letters,
 * digits, spaces, "_" and "-" stands quoted: States["a.b"].Next.  The whole definition is "".
 */
extern char *ow_where_member(const char *where, const char *name);
extern char *ow_where_element(const char *where, int index);

/* The same for people: state "Pay", Retry[0] of state "Pay", Defaults, the definition */
extern char *ow_where_subject(const char *where);

/* The nearest of candidates by edit distance, NULL when none is close */
extern const char *ow_nearest_name(const char *name, const char *const *candidates, int count);

#endif							/* OW_PROBLEMS_H */
