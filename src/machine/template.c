/*
 * template.c
 *		Payload templates: JSON whose members named "x.$" take their value from a path or a call.
 */
#include "postgres.h"

#include "machine/json.h"
#include "machine/problems.h"
#include "machine/template.h"
#include "miscadmin.h"

typedef enum OwTemplateKind
{
	OW_TEMPLATE_CONSTANT,
	OW_TEMPLATE_EXPRESSION,
	OW_TEMPLATE_OBJECT,
	OW_TEMPLATE_ARRAY
} OwTemplateKind;

struct OwTemplate
{
	OwTemplateKind kind;
	Jsonb	   *constant;
	OwExpression *expression;
	char	   *field;			/* EXPRESSION: the member as written, "x.$" */
	int			nchildren;		/* OBJECT, ARRAY */
	char	  **names;			/* OBJECT: as they come out */
	OwTemplate **children;
};

/* ---- compiling ---- */

static OwTemplate *
make_constant(JsonbValue *source)
{
	OwTemplate *template = palloc0(sizeof(OwTemplate));

	template->kind = OW_TEMPLATE_CONSTANT;
	template->constant = ow_json_from_value(source);
	return template;
}

static OwTemplate *
make_null(void)
{
	JsonbValue	null = {.type = jbvNull};

	return make_constant(&null);
}

/* Makes room for as many children as the source has; an empty object or array stays a constant. */
static OwTemplate *
make_container(OwTemplateKind kind, const JsonbValue *source)
{
	OwTemplate *template = palloc0(sizeof(OwTemplate));
	int			count = ow_json_value_count(source);

	template->kind = kind;
	template->names = palloc0(count * sizeof(char *));
	template->children = palloc0(count * sizeof(OwTemplate *));
	return template;
}

static bool
is_dynamic(const char *name)
{
	size_t		length = strlen(name);

	return length > 2 && strcmp(name + length - 2, ".$") == 0;
}

/* Compiles the value of a member "x.$". */
static OwTemplate *
compile_expression(const char *name, const JsonbValue *source, const char *where, OwProblems *problems)
{
	OwTemplate *template;
	OwExpression *expression;
	const char *error = NULL;

	if (source->type != jbvString)
	{
		ow_problem_add(problems, OW_SEVERITY_ERROR, "InvalidPath", ow_where_member(where, name),
					   "Give it a path, or take the \".$\" off its name to have the value as it is.",
					   "field \"%s\" in %s must be a string that holds a path, not %s",
					   name, ow_where_subject(where), ow_json_type_phrase(source));
		return make_null();
	}
	expression = ow_expression_compile(ow_json_value_cstring(source), &error);
	if (expression == NULL)
	{
		ow_problem_add_path(problems, where, name, ow_json_value_cstring(source), error);
		return make_null();
	}
	ow_problems_note_reads(problems, ow_expression_variables(NIL, expression), where, name);
	template = palloc0(sizeof(OwTemplate));
	template->kind = OW_TEMPLATE_EXPRESSION;
	template->expression = expression;
	template->field = pstrdup(name);
	return template;
}

/* Reports an object that has both "x" and "x.$". */
static void
check_doubled(const char *name, const JsonbValue *object, const char *where, OwProblems *problems)
{
	JsonbValue	other;
	char	   *plain = pnstrdup(name, strlen(name) - 2);

	if (ow_json_container_member(object->val.binary.data, plain, &other))
		ow_problem_add(problems, OW_SEVERITY_ERROR, "ExclusiveFields", ow_where_member(where, name),
					   "Keep one of them.", "%s has both \"%s\" and \"%s\"",
					   ow_where_subject(where), plain, name);
}

/* Compiles the members; a template in which nothing is dynamic is a constant. */
static OwTemplate *
compile_object(JsonbValue *source, const char *where, OwProblems *problems)
{
	OwTemplate *template = make_container(OW_TEMPLATE_OBJECT, source);
	OwJsonMembers members;
	char	   *name;
	JsonbValue	value;
	bool		constant = true;

	ow_json_members_begin(&members, source);
	while (ow_json_members_next(&members, &name, &value))
	{
		int			i = template->nchildren++;

		if (is_dynamic(name))
		{
			check_doubled(name, source, where, problems);
			template->children[i] = compile_expression(name, &value, where, problems);
			name = pnstrdup(name, strlen(name) - 2);
			constant = false;
		}
		else
			template->children[i] = ow_template_compile(&value, ow_where_member(where, name), problems);
		template->names[i] = name;
		if (template->children[i]->kind != OW_TEMPLATE_CONSTANT)
			constant = false;
	}
	return constant ? make_constant(source) : template;
}

static OwTemplate *
compile_array(JsonbValue *source, const char *where, OwProblems *problems)
{
	OwTemplate *template = make_container(OW_TEMPLATE_ARRAY, source);
	JsonbValue	value;
	bool		constant = true;

	for (int i = 0; ow_json_value_element(source, i, &value); i++)
	{
		template->children[i] = ow_template_compile(&value, ow_where_element(where, i), problems);
		template->nchildren++;
		if (template->children[i]->kind != OW_TEMPLATE_CONSTANT)
			constant = false;
	}
	return constant ? make_constant(source) : template;
}

OwTemplate *
ow_template_compile(const JsonbValue *source, const char *where, OwProblems *problems)
{
	JsonbValue	value = *source;

	check_stack_depth();
	if (ow_json_value_is_object(&value))
		return compile_object(&value, where, problems);
	if (ow_json_value_is_array(&value))
		return compile_array(&value, where, problems);
	return make_constant(&value);
}

/* ---- evaluating ---- */

typedef struct OwTemplateRun
{
	OwScope    *scope;
	OwFailure  *failure;
	JsonbParseState *state;
} OwTemplateRun;

static bool push_template(OwTemplateRun *run, JsonbIteratorToken as, const OwTemplate *template);

/*
 * Pushes what a path finds or a call returns.
 *
 * Step Functions calls a path that finds nothing States.Runtime, though the language has
 * States.ParameterPathFailure for it.
 */
static bool
push_expression(OwTemplateRun *run, JsonbIteratorToken as, const OwTemplate *template)
{
	JsonbValue	value;

	if (!ow_expression_evaluate(template->expression, run->scope, &value, run->failure))
	{
		run->failure->cause = psprintf("field \"%s\": %s", template->field, run->failure->cause);
		return false;
	}
	(void) pushJsonbValue(&run->state, as, &value);
	return true;
}

static bool
push_object(OwTemplateRun *run, const OwTemplate *template)
{
	(void) pushJsonbValue(&run->state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < template->nchildren; i++)
	{
		JsonbValue	name = {
			.type = jbvString,
			.val.string = {.val = template->names[i], .len = strlen(template->names[i])}
		};

		(void) pushJsonbValue(&run->state, WJB_KEY, &name);
		if (!push_template(run, WJB_VALUE, template->children[i]))
			return false;
	}
	(void) pushJsonbValue(&run->state, WJB_END_OBJECT, NULL);
	return true;
}

static bool
push_array(OwTemplateRun *run, const OwTemplate *template)
{
	(void) pushJsonbValue(&run->state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < template->nchildren; i++)
	{
		if (!push_template(run, WJB_ELEM, template->children[i]))
			return false;
	}
	(void) pushJsonbValue(&run->state, WJB_END_ARRAY, NULL);
	return true;
}

/* Pushes the value of the template as a member's value or an element. */
static bool
push_template(OwTemplateRun *run, JsonbIteratorToken as, const OwTemplate *template)
{
	JsonbValue	constant;

	switch (template->kind)
	{
		case OW_TEMPLATE_EXPRESSION:
			return push_expression(run, as, template);
		case OW_TEMPLATE_OBJECT:
			return push_object(run, template);
		case OW_TEMPLATE_ARRAY:
			return push_array(run, template);
		case OW_TEMPLATE_CONSTANT:
			break;
	}
	ow_json_as_value(template->constant, &constant);
	(void) pushJsonbValue(&run->state, as, &constant);
	return true;
}

Jsonb *
ow_template_evaluate(const OwTemplate *template, OwScope *scope, OwFailure *failure)
{
	OwTemplateRun run = {.scope = scope, .failure = failure};
	JsonbValue *whole;

	if (template->kind == OW_TEMPLATE_CONSTANT)
		return ow_json_copy(template->constant);

	/* evaluated as the only element of an array, so that any template is pushed alike */
	(void) pushJsonbValue(&run.state, WJB_BEGIN_ARRAY, NULL);
	if (!push_template(&run, WJB_ELEM, template))
		return NULL;
	whole = pushJsonbValue(&run.state, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(&whole->val.array.elems[0]);
}
