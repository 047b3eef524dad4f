/*
 * definition_resource.c
 *		From a Task's Resource to the name of an activity: plain names and the ARNs of Step Functions.
 *
 *		NAME[.waitForTaskToken]									NAME
 *		arn:aws:lambda:REGION:ACCOUNT:function:NAME[:VERSION]	NAME
 *		arn:aws:states:::lambda:invoke							NAME from Parameters.FunctionName
 *															lambda:invoke with "FunctionName.$"
 *		arn:aws:states:REGION:ACCOUNT:activity:NAME				NAME
 *		arn:aws:states:::SERVICE:ACTION[.PATTERN]				SERVICE:ACTION
 *		arn:aws:SERVICE:REGION:ACCOUNT:KIND:NAME				SERVICE:NAME
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

#define ARN_PARTS 6				/* arn:partition:service:region:account:resource */
#define WAIT_FOR_TOKEN ".waitForTaskToken"

typedef struct OwArn
{
	char	   *parts[ARN_PARTS];	/* the last keeps its colons */
} OwArn;

static char *
refuse(OwProblems *problems, const char *code, const char *where, const char *hint,
	   const char *resource, const char *reason)
{
	ow_problem_add(problems, OW_SEVERITY_ERROR, code, ow_where_member(where, "Resource"), hint,
				   "field \"Resource\" in %s: \"%s\" %s", ow_where_subject(where), resource, reason);
	return NULL;
}

static bool
split_arn(const char *text, OwArn *arn)
{
	char	   *rest = pstrdup(text);

	for (int i = 0; i < ARN_PARTS; i++)
	{
		char	   *colon = i < ARN_PARTS - 1 ? strchr(rest, ':') : NULL;

		if (i < ARN_PARTS - 1 && colon == NULL)
			return false;
		if (colon != NULL)
			*colon = '\0';
		arn->parts[i] = rest;
		if (colon != NULL)
			rest = colon + 1;
	}
	/* region and account may be empty */
	return arn->parts[1][0] != '\0' && arn->parts[2][0] != '\0' && arn->parts[ARN_PARTS - 1][0] != '\0';
}

/* Tells whether text is the version or an alias of a function. */
static bool
is_lambda_version(const char *text)
{
	if (strcmp(text, "$LATEST") == 0)
		return true;
	return *text != '\0' &&
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(text);
}

/* Takes the version off "NAME:VERSION"; NULL if that is no function. */
static char *
lambda_name(const char *qualified)
{
	char	   *name = pstrdup(qualified);
	char	   *colon = strchr(name, ':');

	if (colon != NULL)
	{
		*colon = '\0';
		if (!is_lambda_version(colon + 1))
			return NULL;
	}
	return *name != '\0' ? name : NULL;
}

/* Finds the function in a name or a whole or partial ARN: [[…:]function:]NAME[:VERSION] */
static char *
lambda_name_from_any(const char *text)
{
	const char *marker = strstr(text, "function:");

	if (marker != NULL && (marker == text || marker[-1] == ':'))
		return lambda_name(marker + strlen("function:"));
	return lambda_name(text);
}

/* lambda:invoke says in its Parameters which function. */
static char *
invoked_lambda(const JsonbValue *source, const char *where, const char *resource,
			   OwProblems *problems)
{
	JsonbValue	parameters;
	char	   *function;
	char	   *name;

	if (!ow_field_get(source, "Parameters", OW_OBJECT, &parameters) &&
		!ow_field_get(source, "Arguments", OW_OBJECT, &parameters))
		return refuse(problems, "MissingField", where, NULL, resource,
					  "needs \"Parameters\" with the \"FunctionName\"");
	function = ow_field_string(&parameters, "FunctionName");
	if (ow_field_is_present(&parameters, "FunctionName.$") || (function != NULL && strstr(function, "{%") != NULL))
		return pstrdup("lambda:invoke");	/* one activity for all: it finds the name in its input */
	if (function == NULL)
		return refuse(problems, "MissingField", where, NULL, resource,
					  "needs a \"FunctionName\" in \"Parameters\"");
	name = lambda_name_from_any(function);
	if (name == NULL)
		return refuse(problems, "InvalidResource", where, NULL, resource,
					  psprintf("invokes \"%s\", which names no function", function));
	return name;
}

/* Takes a suffix such as ".sync" off the action; what it was comes back, "" when there was none. */
static const char *
split_pattern(char *action)
{
	static const char *const patterns[] = {".sync", ".sync:2", WAIT_FOR_TOKEN};
	size_t		length = strlen(action);

	for (int i = 0; i < (int) lengthof(patterns); i++)
	{
		size_t		suffix = strlen(patterns[i]);

		if (length > suffix && strcmp(action + length - suffix, patterns[i]) == 0)
		{
			action[length - suffix] = '\0';
			return patterns[i];
		}
	}
	return "";
}

/* Notes that a Task waits for an answer; false, with a problem, where a state is none: a compensation cannot. */
static bool
wait_for_token(OwState *state, const char *where, const char *resource, OwProblems *problems)
{
	if (state == NULL)
	{
		refuse(problems, "NotSupported", where, NULL, resource,
			   "waits for a task token, which a compensation cannot");
		return false;
	}
	state->callback = true;
	return true;
}

/* NAME, or NAME.waitForTaskToken.  Other suffixes mean nothing without a service: they are part of the name. */
static char *
plain_activity(OwState *state, const char *where, char *resource, OwProblems *problems)
{
	char	   *name = pstrdup(resource);

	if (strcmp(split_pattern(name), WAIT_FOR_TOKEN) != 0)
		return resource;
	return wait_for_token(state, where, resource, problems) ? name : NULL;
}

/*
 * arn:aws:states:::SERVICE:ACTION[.PATTERN].  With .sync the activity is the whole job: it completes when
 * the job is done.
 */
static char *
service_integration(const JsonbValue *source, OwState *state, const char *where, const char *resource,
					const char *text, OwProblems *problems)
{
	char	   *action = pstrdup(text);
	const char *pattern = split_pattern(action);
	bool		waits = strcmp(pattern, WAIT_FOR_TOKEN) == 0;

	if (waits && !wait_for_token(state, where, resource, problems))
		return NULL;
	if (state != NULL)
		state->synchronous = !waits && *pattern != '\0';
	if (strchr(action, ':') == NULL)
		return refuse(problems, "InvalidResource", where, NULL, resource, "has no action");
	if (strcmp(action, "lambda:invoke") == 0)
		return invoked_lambda(source, where, resource, problems);
	return action;
}

static char *
resource_from_arn(const JsonbValue *source, OwState *state, const char *where, const char *resource,
				  OwProblems *problems)
{
	OwArn		arn;
	const char *service;
	const char *rest;
	const char *last;

	if (!split_arn(resource, &arn))
		return refuse(problems, "InvalidResource", where, NULL, resource, "is not a complete ARN");
	service = arn.parts[2];
	rest = arn.parts[5];
	if (strcmp(service, "lambda") == 0 && strncmp(rest, "function:", 9) == 0)
	{
		char	   *name = lambda_name(rest + 9);

		return name ? name : refuse(problems, "InvalidResource", where, NULL, resource,
									"names no function, or a bad version of one");
	}
	if (strcmp(service, "states") == 0 && strncmp(rest, "activity:", 9) == 0 && rest[9] != '\0')
		return pstrdup(rest + 9);
	if (strcmp(service, "states") == 0 && arn.parts[3][0] == '\0')
		return service_integration(source, state, where, resource, rest, problems);
	last = strrchr(rest, ':');
	return psprintf("%s:%s", service, last ? last + 1 : rest);
}

char *
ow_compile_resource(const JsonbValue *source, OwState *state, const char *where, OwProblems *problems)
{
	char	   *resource = ow_field_string(source, "Resource");

	if (resource == NULL)
		return NULL;
	if (*resource == '\0')
		return refuse(problems, "InvalidResource", where, NULL, resource, "names no activity");
	if (strncmp(resource, "workflow:", 9) == 0)
		return refuse(problems, "NotSupported", where, NULL, resource,
					  "is a workflow, and a compensation is an activity");
	if (strncmp(resource, "arn:", 4) == 0)
		return resource_from_arn(source, state, where, resource, problems);
	return plain_activity(state, where, resource, problems);
}
