/*
 * machine_query.c
 *		What callers get to see of a run as a whole: queries, and the scope that they share with updates.
 *
 * "$" is the document that the run is at, "$$" tells of the execution and of the state that its own token stands in.
 */
#include "postgres.h"

#include "machine/machine_internal.h"

Jsonb *
ow_machine_run_data(const OwRun *run)
{
	if (run->outcome.output != NULL)
		return run->outcome.output;
	return run->token.data != NULL ? run->token.data : run->input;
}

/* $$ of the run: whoever had a task token could answer for its activity. */
Jsonb *
ow_machine_run_context(OwMachine *machine, const char *member, const char *inner)
{
	Jsonb	   *context = ow_json_without_member(ow_machine_context(machine, member, NULL), "Task");
	Jsonb	   *execution = ow_json_get(context, "Execution");

	if (execution == NULL)
		return context;
	execution = ow_json_with_member(execution, "Status", ow_json_text(ow_status_name(machine->run->status)));
	return ow_json_with_member(context, "Execution", execution);
}

static Jsonb *
make_context(void *arg, const char *member, const char *inner)
{
	return ow_machine_run_context(arg, member, inner);
}

/* The scope in which a query or update is evaluated, with data as "$" */
void
ow_machine_run_scope(OwMachine *machine, const Jsonb *data, OwScope *scope)
{
	memset(scope, 0, sizeof(*scope));
	scope->data = data;
	scope->variables = ow_machine_run_variables(machine->run);
	scope->make_context = make_context;
	scope->make_context_arg = machine;
	scope->random = ow_machine_random(machine);
}

void
ow_machine_run_sql_scope(OwMachine *machine, const OwSqlTemplate *template, OwSqlScope *scope)
{
	memset(scope, 0, sizeof(*scope));
	scope->input = ow_machine_run_data(machine->run);
	scope->vars = ow_machine_run_variables(machine->run);
	if (template->uses_context)
		scope->context = make_context(machine, template->context_member, NULL);
}

static bool
evaluate(OwMachine *machine, const OwProjection *projection, Jsonb **value, OwFailure *failure)
{
	const OwHost *host = machine->host;
	OwScope		scope;
	OwSqlScope	sql_scope;

	if (projection->sql != NULL)
	{
		ow_machine_run_sql_scope(machine, projection->sql, &sql_scope);
		return host->evaluate(host->arg, machine->run, projection->sql, &sql_scope, value, failure);
	}
	ow_machine_run_scope(machine, ow_machine_run_data(machine->run), &scope);
	*value = ow_template_evaluate(projection->template, &scope, failure);
	if (*value != NULL)
		*value = ow_json_get(*value, "Result");
	return *value != NULL;
}

bool
ow_machine_query(OwMachine *machine, const OwQueryType *query, Jsonb **value, OwFailure *failure)
{
	ow_machine_select(machine, NULL);
	return evaluate(machine, query->result, value, failure);
}
