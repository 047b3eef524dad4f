/*
 * choice.c
 *		Choice rules: compiles and evaluates And, Or, Not and the comparison operators.
 *
 * To add an operator: a row in operators[], and its meaning in test_holds().
 */
#include "postgres.h"

#include "fmgr.h"
#include "machine/choice.h"
#include "machine/instant.h"
#include "machine/json.h"
#include "machine/problems.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

typedef enum OwOperandType
{
	OW_OPERAND_STRING,
	OW_OPERAND_PATTERN,
	OW_OPERAND_NUMBER,
	OW_OPERAND_BOOLEAN,
	OW_OPERAND_TIMESTAMP,
	OW_OPERAND_IS				/* Is…: true or false, never a path */
} OwOperandType;

typedef enum OwTest
{
	OW_TEST_EQUALS,
	OW_TEST_LESS,
	OW_TEST_GREATER,
	OW_TEST_LESS_EQUALS,
	OW_TEST_GREATER_EQUALS,
	OW_TEST_MATCHES,
	OW_TEST_IS_NULL,
	OW_TEST_IS_PRESENT,
	OW_TEST_IS_NUMERIC,
	OW_TEST_IS_STRING,
	OW_TEST_IS_BOOLEAN,
	OW_TEST_IS_TIMESTAMP
} OwTest;

typedef struct OwOperator
{
	const char *name;
	OwOperandType type;
	OwTest		test;
	bool		is_path;		/* the operand is a path to the value */
} OwOperator;

/* A row for the operator and one for its variant that takes a path */
#define BOTH(name, type, test) \
	{name, type, test, false}, {name "Path", type, test, true}

static const OwOperator operators[] = {
	BOTH("StringEquals", OW_OPERAND_STRING, OW_TEST_EQUALS),
	BOTH("StringLessThan", OW_OPERAND_STRING, OW_TEST_LESS),
	BOTH("StringGreaterThan", OW_OPERAND_STRING, OW_TEST_GREATER),
	BOTH("StringLessThanEquals", OW_OPERAND_STRING, OW_TEST_LESS_EQUALS),
	BOTH("StringGreaterThanEquals", OW_OPERAND_STRING, OW_TEST_GREATER_EQUALS),
	{"StringMatches", OW_OPERAND_PATTERN, OW_TEST_MATCHES, false},
	BOTH("NumericEquals", OW_OPERAND_NUMBER, OW_TEST_EQUALS),
	BOTH("NumericLessThan", OW_OPERAND_NUMBER, OW_TEST_LESS),
	BOTH("NumericGreaterThan", OW_OPERAND_NUMBER, OW_TEST_GREATER),
	BOTH("NumericLessThanEquals", OW_OPERAND_NUMBER, OW_TEST_LESS_EQUALS),
	BOTH("NumericGreaterThanEquals", OW_OPERAND_NUMBER, OW_TEST_GREATER_EQUALS),
	BOTH("BooleanEquals", OW_OPERAND_BOOLEAN, OW_TEST_EQUALS),
	BOTH("TimestampEquals", OW_OPERAND_TIMESTAMP, OW_TEST_EQUALS),
	BOTH("TimestampLessThan", OW_OPERAND_TIMESTAMP, OW_TEST_LESS),
	BOTH("TimestampGreaterThan", OW_OPERAND_TIMESTAMP, OW_TEST_GREATER),
	BOTH("TimestampLessThanEquals", OW_OPERAND_TIMESTAMP, OW_TEST_LESS_EQUALS),
	BOTH("TimestampGreaterThanEquals", OW_OPERAND_TIMESTAMP, OW_TEST_GREATER_EQUALS),
	{"IsNull", OW_OPERAND_IS, OW_TEST_IS_NULL, false},
	{"IsPresent", OW_OPERAND_IS, OW_TEST_IS_PRESENT, false},
	{"IsNumeric", OW_OPERAND_IS, OW_TEST_IS_NUMERIC, false},
	{"IsString", OW_OPERAND_IS, OW_TEST_IS_STRING, false},
	{"IsBoolean", OW_OPERAND_IS, OW_TEST_IS_BOOLEAN, false},
	{"IsTimestamp", OW_OPERAND_IS, OW_TEST_IS_TIMESTAMP, false}
};

#define OPERATORS ((int) lengthof(operators))

typedef enum OwRuleKind
{
	OW_RULE_AND,
	OW_RULE_OR,
	OW_RULE_NOT,
	OW_RULE_TEST,
	OW_RULE_BROKEN				/* beside a problem: never evaluated */
} OwRuleKind;

struct OwChoiceRule
{
	OwRuleKind	kind;
	int			nrules;			/* AND, OR, NOT */
	OwChoiceRule **rules;
	const OwOperator *operator; /* TEST */
	OwPath	   *variable;
	OwPath	   *operand_path;
	JsonbValue	operand;		/* unless operand_path */
};

typedef struct OwChoiceCompiler
{
	OwProblems *problems;
	bool		nested;			/* within And, Or, Not */
} OwChoiceCompiler;

static OwChoiceRule *compile_rule(OwChoiceCompiler *compiler, const JsonbValue *source,
								  const char *where);

/* ---- compiling ---- */

static OwChoiceRule *
make_rule(OwRuleKind kind)
{
	OwChoiceRule *rule = palloc0(sizeof(OwChoiceRule));

	rule->kind = kind;
	return rule;
}

/* Compiles a path; one that IsPresent tests may be to a variable that nothing assigns. */
static OwPath *
compile_path(OwChoiceCompiler *compiler, const JsonbValue *source, const char *name, bool tests_presence,
			 const char *where)
{
	const char *error = NULL;
	OwPath	   *path;

	if (source->type != jbvString)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType",
					   ow_where_member(where, name), NULL,
					   "field \"%s\" in %s must be a string that holds a path, not %s",
					   name, ow_where_subject(where), ow_json_type_phrase(source));
		return NULL;
	}
	path = ow_path_compile(ow_json_value_cstring(source), false, &error);
	if (path == NULL)
		ow_problem_add_path(compiler->problems, where, name, ow_json_value_cstring(source), error);
	else if (!tests_presence)
		ow_problems_note_reads(compiler->problems, ow_path_variables(NIL, path), where, name);
	return path;
}

/* Tells whether a constant operand has the type its operator compares. */
static bool
operand_fits(OwOperandType type, const JsonbValue *operand)
{
	TimestampTz ignored;

	switch (type)
	{
		case OW_OPERAND_STRING:
		case OW_OPERAND_PATTERN:
			return operand->type == jbvString;
		case OW_OPERAND_NUMBER:
			return operand->type == jbvNumeric;
		case OW_OPERAND_BOOLEAN:
		case OW_OPERAND_IS:
			return operand->type == jbvBool;
		case OW_OPERAND_TIMESTAMP:
			return operand->type == jbvString &&
				ow_instant_parse(ow_json_value_cstring(operand), &ignored);
	}
	return false;
}

static const char *
operand_type_name(OwOperandType type)
{
	switch (type)
	{
		case OW_OPERAND_STRING:
		case OW_OPERAND_PATTERN:
			return "a string";
		case OW_OPERAND_NUMBER:
			return "a number";
		case OW_OPERAND_BOOLEAN:
		case OW_OPERAND_IS:
			return "true or false";
		case OW_OPERAND_TIMESTAMP:
			return "a timestamp such as \"2030-01-31T12:00:00Z\"";
	}
	return "";
}

/* Copies a scalar out of the definition. */
static JsonbValue
copy_scalar(JsonbValue *source)
{
	JsonbValue	copy;

	ow_json_as_value(ow_json_from_value(source), &copy);
	return copy;
}

static bool
compile_operand(OwChoiceCompiler *compiler, OwChoiceRule *rule, JsonbValue *source,
				const char *where)
{
	const OwOperator *operator = rule->operator;

	if (operator->is_path)
	{
		rule->operand_path = compile_path(compiler, source, operator->name, false, where);
		return rule->operand_path != NULL;
	}
	if (!operand_fits(operator->type, source))
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType",
					   ow_where_member(where, operator->name), NULL,
					   "field \"%s\" in %s must be %s", operator->name, ow_where_subject(where),
					   operand_type_name(operator->type));
		return false;
	}
	rule->operand = copy_scalar(source);
	return true;
}

static const OwOperator *
find_operator(const char *name)
{
	for (int i = 0; i < OPERATORS; i++)
	{
		if (strcmp(operators[i].name, name) == 0)
			return &operators[i];
	}
	return NULL;
}

static void
report_unknown_key(OwChoiceCompiler *compiler, const char *name, const char *where)
{
	static const char *const others[] = {"And", "Or", "Not", "Variable", "Next", "Assign"};
	const char *names[lengthof(operators) + lengthof(others)];
	const char *nearest;

	for (int i = 0; i < OPERATORS; i++)
		names[i] = operators[i].name;
	memcpy(names + OPERATORS, others, sizeof(others));
	nearest = ow_nearest_name(name, names, lengthof(names));
	ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "UnknownField",
				   ow_where_member(where, name),
				   nearest ? psprintf("Did you mean \"%s\"?", nearest) : NULL,
				   "unknown field \"%s\" in %s", name, ow_where_subject(where));
}

/* Tells whether a key may stand beside the condition; reports the one that may not stand here. */
static bool
is_side_key(OwChoiceCompiler *compiler, const char *name, const JsonbValue *value, const char *where)
{
	if (strcmp(name, "Variable") == 0 || strncmp(name, "x-", 2) == 0)
		return true;
	if (strcmp(name, "Comment") == 0)
	{
		if (value->type != jbvString)
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", ow_where_member(where, name), NULL,
						   "field \"Comment\" in %s must be a string, not %s", ow_where_subject(where),
						   ow_json_type_phrase(value));
		return true;
	}
	if (strcmp(name, "Next") == 0)
	{
		if (compiler->nested)
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MisplacedNext",
						   ow_where_member(where, name),
						   "Only the outermost rule has a \"Next\".",
						   "field \"Next\" is not allowed in %s", ow_where_subject(where));
		return true;
	}
	if (strcmp(name, "Assign") == 0)
	{
		if (compiler->nested)
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MisplacedAssign",
						   ow_where_member(where, name),
						   "Only the outermost rule has an \"Assign\".",
						   "field \"Assign\" is not allowed in %s", ow_where_subject(where));
		return true;
	}
	if (strcmp(name, "Condition") == 0 || strcmp(name, "Output") == 0)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "NotSupported",
					   ow_where_member(where, name), NULL,
					   "field \"%s\" in %s is not supported yet", name, ow_where_subject(where));
		return true;
	}
	return false;
}

/* Finds the key that holds the condition: an operator, And, Or or Not; NULL if not exactly one. */
static char *
find_condition(OwChoiceCompiler *compiler, const JsonbValue *source, const char *where,
			   JsonbValue *value)
{
	OwJsonMembers members;
	char	   *name;
	JsonbValue	member;
	char	   *condition = NULL;
	int			count = 0;
	int			errors = compiler->problems->errors;

	ow_json_members_begin(&members, source);
	while (ow_json_members_next(&members, &name, &member))
	{
		if (is_side_key(compiler, name, &member, where))
			continue;
		if (find_operator(name) == NULL && strcmp(name, "And") != 0 &&
			strcmp(name, "Or") != 0 && strcmp(name, "Not") != 0)
		{
			report_unknown_key(compiler, name, where);
			continue;
		}
		if (++count == 2)
			ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "ExclusiveFields", where,
						   "Join conditions with \"And\" or \"Or\".",
						   "%s has both \"%s\" and \"%s\"", ow_where_subject(where), condition, name);
		condition = name;
		*value = member;
	}
	if (count == 0 && compiler->problems->errors == errors)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MissingField", where,
					   "Add an operator such as \"StringEquals\", or \"And\", \"Or\", \"Not\".",
					   "%s has no comparison", ow_where_subject(where));
	return count == 1 ? condition : NULL;
}

/* Compiles the rules within And or Or. */
static OwChoiceRule *
compile_group(OwChoiceCompiler *compiler, OwRuleKind kind, const char *name,
			  const JsonbValue *source, const char *where)
{
	OwChoiceRule *rule = make_rule(kind);
	char	   *inner = ow_where_member(where, name);
	JsonbValue	element;

	if (!ow_json_value_is_array(source) || ow_json_value_count(source) == 0)
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", inner, NULL,
					   "field \"%s\" in %s must be an array with at least one rule",
					   name, ow_where_subject(where));
		return make_rule(OW_RULE_BROKEN);
	}
	rule->rules = palloc(ow_json_value_count(source) * sizeof(OwChoiceRule *));
	while (ow_json_value_element(source, rule->nrules, &element))
	{
		rule->rules[rule->nrules] = compile_rule(compiler, &element,
												 ow_where_element(inner, rule->nrules));
		rule->nrules++;
	}
	return rule;
}

static OwChoiceRule *
compile_not(OwChoiceCompiler *compiler, const JsonbValue *source, const char *where)
{
	OwChoiceRule *rule = make_rule(OW_RULE_NOT);

	rule->nrules = 1;
	rule->rules = palloc(sizeof(OwChoiceRule *));
	rule->rules[0] = compile_rule(compiler, source, ow_where_member(where, "Not"));
	return rule;
}

/* Compiles a comparison of Variable. */
static OwChoiceRule *
compile_test(OwChoiceCompiler *compiler, const char *name, JsonbValue *operand,
			 const JsonbValue *source, const char *where)
{
	OwChoiceRule *rule = make_rule(OW_RULE_TEST);
	JsonbValue	variable;
	bool		good;

	rule->operator = find_operator(name);
	good = compile_operand(compiler, rule, operand, where);
	if (!ow_json_container_member(source->val.binary.data, "Variable", &variable))
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "MissingField", where,
					   "Name the path to compare, as in \"Variable\": \"$.total\".",
					   "%s has no \"Variable\" for \"%s\"", ow_where_subject(where), name);
		return make_rule(OW_RULE_BROKEN);
	}
	rule->variable = compile_path(compiler, &variable, "Variable", rule->operator->test == OW_TEST_IS_PRESENT,
								  where);
	return good && rule->variable != NULL ? rule : make_rule(OW_RULE_BROKEN);
}

/* Compiles the condition of a rule whose key is known. */
static OwChoiceRule *
compile_condition(OwChoiceCompiler *compiler, const char *name, JsonbValue *value,
				  const JsonbValue *source, const char *where)
{
	OwChoiceRule *rule;
	JsonbValue	variable;
	bool		was_nested = compiler->nested;

	if (find_operator(name) != NULL)
		return compile_test(compiler, name, value, source, where);

	if (ow_json_container_member(source->val.binary.data, "Variable", &variable))
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "ExclusiveFields", where, NULL,
					   "%s has both \"%s\" and \"Variable\"", ow_where_subject(where), name);
	compiler->nested = true;
	if (strcmp(name, "Not") == 0)
		rule = compile_not(compiler, value, where);
	else
		rule = compile_group(compiler, strcmp(name, "And") == 0 ? OW_RULE_AND : OW_RULE_OR,
							 name, value, where);
	compiler->nested = was_nested;
	return rule;
}

static OwChoiceRule *
compile_rule(OwChoiceCompiler *compiler, const JsonbValue *source, const char *where)
{
	JsonbValue	value;
	char	   *name;

	check_stack_depth();
	if (!ow_json_value_is_object(source))
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", where, NULL,
					   "%s must be an object that holds a rule, not %s",
					   ow_where_subject(where), ow_json_type_phrase(source));
		return make_rule(OW_RULE_BROKEN);
	}
	name = find_condition(compiler, source, where, &value);
	if (name == NULL)
		return make_rule(OW_RULE_BROKEN);
	return compile_condition(compiler, name, &value, source, where);
}

OwChoiceRule *
ow_choice_compile(const JsonbValue *source, const char *where, OwProblems *problems)
{
	OwChoiceCompiler compiler = {.problems = problems};

	return compile_rule(&compiler, source, where);
}

/* ---- evaluating ---- */

/*
 * Matches text against a pattern in which * stands for any characters, \* for a star and \\ for a
 * backslash.  On a mismatch after a star, lets that star take one byte more.
 */
static bool
pattern_matches(const JsonbValue *pattern, const JsonbValue *text)
{
	const char *p = pattern->val.string.val;
	const char *p_end = p + pattern->val.string.len;
	const char *t = text->val.string.val;
	const char *t_end = t + text->val.string.len;
	const char *star = NULL;	/* behind the last star */
	const char *star_text = NULL;	/* where what it takes ends */

	while (t < t_end)
	{
		bool		escaped = p + 1 < p_end && *p == '\\' && (p[1] == '*' || p[1] == '\\');

		if (p < p_end && *p == '*')
		{
			star = ++p;
			star_text = t;
		}
		else if (p < p_end && *t == p[escaped ? 1 : 0])
		{
			p += escaped ? 2 : 1;
			t++;
		}
		else if (star != NULL)
		{
			p = star;
			t = ++star_text;
		}
		else
			return false;
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end;
}

static int
compare_strings(const JsonbValue *a, const JsonbValue *b)
{
	int			order = memcmp(a->val.string.val, b->val.string.val,
							   Min(a->val.string.len, b->val.string.len));

	return order != 0 ? order : a->val.string.len - b->val.string.len;
}

/* Orders two values as the operator's type; false if one of them is of another type. */
static bool
order_of(OwOperandType type, const JsonbValue *a, const JsonbValue *b, int *order)
{
	TimestampTz instants[2];

	if (!operand_fits(type, a) || !operand_fits(type, b))
		return false;
	switch (type)
	{
		case OW_OPERAND_NUMBER:
			*order = DatumGetInt32(DirectFunctionCall2(numeric_cmp,
													   NumericGetDatum(a->val.numeric),
													   NumericGetDatum(b->val.numeric)));
			return true;
		case OW_OPERAND_BOOLEAN:
			*order = (int) a->val.boolean - (int) b->val.boolean;
			return true;
		case OW_OPERAND_TIMESTAMP:
			(void) ow_instant_parse(ow_json_value_cstring(a), &instants[0]);
			(void) ow_instant_parse(ow_json_value_cstring(b), &instants[1]);
			*order = (instants[0] > instants[1]) - (instants[0] < instants[1]);
			return true;
		default:
			*order = compare_strings(a, b);
			return true;
	}
}

static bool
compared_holds(const OwOperator *operator, const JsonbValue *value, const JsonbValue *operand)
{
	int			order;

	if (!order_of(operator->type, value, operand, &order))
		return false;
	switch (operator->test)
	{
		case OW_TEST_EQUALS:
			return order == 0;
		case OW_TEST_LESS:
			return order < 0;
		case OW_TEST_GREATER:
			return order > 0;
		case OW_TEST_LESS_EQUALS:
			return order <= 0;
		default:
			return order >= 0;
	}
}

static bool
test_holds(const OwOperator *operator, const JsonbValue *value, const JsonbValue *operand)
{
	bool		wanted = operand->type == jbvBool && operand->val.boolean;

	switch (operator->test)
	{
		case OW_TEST_IS_NULL:
			return (value->type == jbvNull) == wanted;
		case OW_TEST_IS_PRESENT:
			return wanted;
		case OW_TEST_IS_NUMERIC:
			return (value->type == jbvNumeric) == wanted;
		case OW_TEST_IS_STRING:
			return (value->type == jbvString) == wanted;
		case OW_TEST_IS_BOOLEAN:
			return (value->type == jbvBool) == wanted;
		case OW_TEST_IS_TIMESTAMP:
			return operand_fits(OW_OPERAND_TIMESTAMP, value) == wanted;
		case OW_TEST_MATCHES:
			return value->type == jbvString && pattern_matches(operand, value);
		default:
			return compared_holds(operator, value, operand);
	}
}

static bool
evaluate_test(const OwChoiceRule *rule, OwScope *scope, bool *matches, OwFailure *failure)
{
	JsonbValue	value;
	JsonbValue	operand = rule->operand;
	const char *cause = NULL;

	if (!ow_path_get(rule->variable, scope, &value, &cause))
	{
		if (rule->operator->test != OW_TEST_IS_PRESENT)
			return ow_fail(failure, OW_ERROR_RUNTIME, "field \"Variable\": %s", cause);
		*matches = !operand.val.boolean;
		return true;
	}
	if (rule->operand_path != NULL && !ow_path_get(rule->operand_path, scope, &operand, &cause))
		return ow_fail(failure, OW_ERROR_RUNTIME, "field \"%s\": %s", rule->operator->name, cause);
	*matches = test_holds(rule->operator, &value, &operand);
	return true;
}

/* Evaluates And and Or up to the first rule that settles them. */
static bool
evaluate_group(const OwChoiceRule *rule, OwScope *scope, bool *matches, OwFailure *failure)
{
	bool		settling = rule->kind == OW_RULE_OR;

	for (int i = 0; i < rule->nrules; i++)
	{
		if (!ow_choice_evaluate(rule->rules[i], scope, matches, failure))
			return false;
		if (*matches == settling)
			return true;
	}
	*matches = !settling;
	return true;
}

bool
ow_choice_evaluate(const OwChoiceRule *rule, OwScope *scope, bool *matches, OwFailure *failure)
{
	switch (rule->kind)
	{
		case OW_RULE_AND:
		case OW_RULE_OR:
			return evaluate_group(rule, scope, matches, failure);
		case OW_RULE_NOT:
			if (!ow_choice_evaluate(rule->rules[0], scope, matches, failure))
				return false;
			*matches = !*matches;
			return true;
		case OW_RULE_TEST:
			return evaluate_test(rule, scope, matches, failure);
		case OW_RULE_BROKEN:
			break;
	}
	elog(ERROR, "a broken choice rule was evaluated");
}
