/*
 * definition_internal.h
 *		What the definition_*.c files share while they compile one definition.
 *
 * Compiling goes on after a problem, so that all are found: what cannot be compiled is left out.
 */
#ifndef OW_DEFINITION_INTERNAL_H
#define OW_DEFINITION_INTERNAL_H

#include "machine/definition.h"
#include "machine/fields.h"

/* A variable where it is assigned, or read */
typedef struct OwVariableUse
{
	int			submachine;		/* its scope */
	const char *name;
	const char *where;			/* "States.Pay.Assign" */
	const char *field;			/* "total.$" */
} OwVariableUse;

/* A transition to a state that its machine does not have */
typedef struct OwStray
{
	OwProblem  *problem;
	const char *field;
	const char *where;
	const char *name;
} OwStray;

/* A machine nested in a Parallel or Map, to be compiled when the one around it is done */
typedef struct OwPendingMachine
{
	int			submachine;
	JsonbValue	source;
	const char *where;
} OwPendingMachine;

typedef struct OwCompiler
{
	OwProblems *problems;
	OwDefinition *definition;	/* its states have their names from the start */
	const char **names;			/* the same names, as a plain array */
	const char **places;		/* where each state stands, for problems */
	int			submachine;		/* being compiled: names of states are looked up in it */
	List	   *pending;		/* of OwPendingMachine *: submachines still to be compiled */
	bool		sql;			/* language of what is being compiled: SQL, else JSONPath */
	bool		default_sql;	/* of states that do not say */
	int			sql_allowed;	/* OW_SQL_TABLES where expressions may read tables, else 0 */
	bool		has_templates;
	JsonbValue	templates;
	List	   *used_templates; /* names */
	bool		has_result_path;	/* Defaults.ResultPath was given */
	char	   *result_path;	/* its text; NULL: JSON null */

	/* the graph, by state index */
	int			current;		/* state being compiled; OW_NO_STATE: none */
	List	   *roots;			/* where runs begin: StartAt, OnError, … */
	List	  **targets;		/* states that a state leads to */
	bool	   *ends;			/* the state can end the run */
	List	   *strays;			/* of OwStray *: transitions that lead nowhere */

	List	   *assigned;		/* of OwVariableUse * */
	List	   *read;			/* the same */
	bool		has_unknown;	/* a state was not understood, nor what it assigns */
} OwCompiler;

/* definition.c */
extern OwPublicError *ow_compile_public(OwCompiler *compiler, const JsonbValue *source,
										const char *where);

/* Reads QueryLanguage; *sql stays as it is when there is none.  False (reported) when there is no such language. */
extern bool ow_read_query_language(OwCompiler *compiler, const JsonbValue *source, bool *sql, const char *where);

/* The template that "Use" names; NULL (reported) when there is none. */
extern char *ow_compile_template_name(OwCompiler *compiler, const JsonbValue *source,
									  const char *where, JsonbValue *template);

/* Defaults.ResultPath with {State} replaced */
extern char *ow_expand_result_path(const char *result_path, const char *state);

/*
 * definition_graph.c: the index of the state that a field names.  OW_NO_STATE when absent or
 * unknown (reported).  The edge from the current state, or the root, is noted.
 */
extern int	ow_compile_target(OwCompiler *compiler, const JsonbValue *source, const char *field,
							  const char *where);

/* For a state whose type is not known: every string in it that is a state's name counts as an edge. */
extern void ow_graph_guess_targets(OwCompiler *compiler, const JsonbValue *source);
extern void ow_graph_check(OwCompiler *compiler);

/*
 * definition_variables.c: variables and their scopes.  What a state reads is taken from the problems after
 * it is compiled; all is checked when all are.
 */
extern void ow_variables_note_assigned(OwCompiler *compiler, const char *name, const char *where, const char *field);
extern void ow_variables_collect_reads(OwCompiler *compiler);
extern void ow_variables_check(OwCompiler *compiler);

/* definition_text.c: limits that hold for text and jsonb alike */
extern void ow_report_too_large(OwProblems *problems);
extern void ow_report_too_deep(OwProblems *problems);

/*
 * definition_machine.c: the states of the definition's own machine and of all nested ones.
 * ow_add_submachine notes a machine nested in the current state; its index comes back.
 */
extern void ow_compile_machines(OwCompiler *compiler, const JsonbValue *source);
extern int	ow_add_submachine(OwCompiler *compiler, const JsonbValue *source, const char *where);

/* The state of this name in the machine being compiled; OW_NO_STATE */
extern int	ow_find_sibling(const OwCompiler *compiler, const char *name);

/* definition_branches.c: Parallel and Map */
extern const OwField ow_parallel_fields[];
extern const OwField ow_parallel_sql_fields[];
extern const OwField ow_map_fields[];
extern const OwField ow_map_sql_fields[];
extern void ow_compile_parallel(OwCompiler *compiler, OwState *state, const JsonbValue *source,
								const char *where);
extern void ow_compile_map(OwCompiler *compiler, OwState *state, const JsonbValue *source,
						   const char *where);

/* definition_state.c: fills the state at index compiler->current, whose name is set */
extern void ow_compile_state(OwCompiler *compiler, const JsonbValue *source, const char *where);

/* Reads Next or End: exactly one of them. */
extern void ow_compile_transition(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where);

/*
 * definition_query.c: queries, and a "Result" (NULL when absent), whose expressions can use these names.  Is the member
 * of an object of named things a remark?
 */
extern void ow_compile_queries(OwCompiler *compiler, const JsonbValue *source);
extern OwProjection *ow_compile_projection(OwCompiler *compiler, const JsonbValue *source, int names, const char *where);
extern bool ow_is_remark(const char *name);
extern const OwField ow_result_fields[];
extern const OwField ow_sql_result_fields[];

/* definition_metric.c */
extern void ow_compile_metrics(OwCompiler *compiler, const JsonbValue *source);

/* definition_update.c: updates; a state that takes one; and, when all are known, those that nothing takes */
extern void ow_compile_updates(OwCompiler *compiler, const JsonbValue *source);
extern void ow_check_awaited_update(OwCompiler *compiler, const char *name, const char *where);
extern void ow_check_updates(OwCompiler *compiler);

/* definition_wait.c: Wait and Await, and the signals that are declared */
extern void ow_compile_signals(OwCompiler *compiler, const JsonbValue *source);
extern void ow_compile_wait(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where);
extern void ow_compile_await(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where);

/* search_attribute.c */
extern void ow_compile_search_attributes(OwCompiler *compiler, const JsonbValue *source);
extern OwTemplate *ow_compile_search(OwCompiler *compiler, const JsonbValue *source, const char *where);
extern OwSqlTemplate *ow_compile_sql_search(OwCompiler *compiler, const JsonbValue *source, int names, const char *where);

/* redact.c: when the search attributes are known */
extern void ow_compile_redact(OwCompiler *compiler, const JsonbValue *source);

/* definition_version.c */
extern const OwField ow_version_fields[];
extern void ow_compile_version(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where);

/* "ResultPath": a Reference Path over "$"; NULL when absent, bad or null (is_null) */
extern OwPath *ow_compile_result_path(OwCompiler *compiler, const JsonbValue *source, bool *is_null,
									  const char *where);

/* "Assign", whose members become variables; NULL when absent */
extern OwTemplate *ow_compile_assign(OwCompiler *compiler, const JsonbValue *source, const char *where);

/* Reports members of an Assign that cannot be variables. */
extern void ow_check_variables(OwCompiler *compiler, const JsonbValue *assign, const char *where);

/*
 * definition_sql.c: fields of the SQL language, as templates; NULL when absent.  names are the OW_SQL_… that
 * the expressions of the field can use besides the common ones.  A field of _expression is an expression
 * alone, when it is a string: other has what else it may be, for people.
 */
extern const OwField ow_jsonpath_only_fields[];
extern const OwField ow_sql_only_fields[];
extern OwSqlTemplate *ow_compile_sql(OwCompiler *compiler, const JsonbValue *source, const char *name, int names,
									 const char *where);
extern OwSqlTemplate *ow_compile_sql_expression(OwCompiler *compiler, const JsonbValue *source, const char *name,
												const char *other, int names, const char *where);
extern OwSqlTemplate *ow_compile_sql_condition(OwCompiler *compiler, const JsonbValue *source, int names,
											   const char *where);
extern OwSqlTemplate *ow_compile_sql_assign(OwCompiler *compiler, const JsonbValue *source, int names,
											const char *where);
extern void ow_compile_sql_branch(OwCompiler *compiler, OwChoiceBranch *branch, const JsonbValue *source,
								  const char *where);

/* Arguments, Output and Assign; has_result tells whether the state has a result */
extern void ow_compile_sql_flow(OwCompiler *compiler, OwState *state, const JsonbValue *source, bool has_result,
								const char *where);

/* definition_task.c */
extern const OwField ow_task_option_fields[];
extern const OwField ow_task_option_sql_fields[];
extern const OwField ow_task_option_path_fields[];
extern void ow_compile_task(OwCompiler *compiler, OwState *state, const JsonbValue *source,
							const char *where);
extern OwCompensation *ow_compile_compensation(OwCompiler *compiler, const JsonbValue *source,
											   const char *where);
extern void ow_read_task_options(OwTaskOptions *options, const JsonbValue *source,
								 const char *where, OwProblems *problems);
extern void ow_read_task_option_paths(OwTaskOptions *options, const JsonbValue *source,
									  const char *where, OwProblems *problems);

/*
 * definition_workflow.c: Tasks of other workflows.  The table is of the fields that only they have; for those of
 * activities, the fields are refused.
 */
extern const OwField ow_workflow_task_fields[];
extern bool ow_is_workflow_resource(const char *resource);
extern void ow_compile_workflow_task(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where);
extern void ow_refuse_workflow_fields(OwCompiler *compiler, const JsonbValue *source, const char *where);

/* definition_retry.c */
extern void ow_read_retriers(OwTaskOptions *options, const JsonbValue *source, const char *where,
							 OwProblems *problems);
extern OwCircuitBreaker *ow_read_circuit_breaker(const JsonbValue *source, const char *where, OwProblems *problems);
extern void ow_compile_catchers(OwCompiler *compiler, OwState *state, const JsonbValue *source,
								const char *where);

/*
 * definition_resource.c: the activity that a Resource names; NULL with a problem reported.
 * source is the object that holds Resource (and Parameters, for lambda:invoke).  The state, unless NULL,
 * is told whether it is synchronous or waits for an answer to its token; with NULL the latter is refused.
 */
extern char *ow_compile_resource(const JsonbValue *source, OwState *state, const char *where, OwProblems *problems);

#endif							/* OW_DEFINITION_INTERNAL_H */
