/*
 * definition_version.c
 *		Compiles Version states: a change of the definition, its versions and where each leads.
 */
#include "postgres.h"

#include "machine/definition_internal.h"
#include "machine/json.h"

const OwField ow_version_fields[] = {
	{"ChangeId", OW_STRING, OW_REQUIRED},
	{"Min", OW_NUMBER, OW_OPTIONAL},
	{"Max", OW_NUMBER, OW_OPTIONAL},
	{"Flag", OW_STRING, OW_OPTIONAL},
	{"Versions", OW_OBJECT, OW_REQUIRED},
	{NULL}
};

/* A whole number, -1 or more, as it is written without anything that is not needed */
static bool
parse_version(const char *text, int *version)
{
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || number < OW_ORIGINAL_VERSION || number > OW_MAX_CHANGE_VERSION ||
		strcmp(psprintf("%ld", number), text) != 0)
		return false;
	*version = (int) number;
	return true;
}

static int
compare_versions(const void *a, const void *b)
{
	return ((const OwChangeVersion *) a)->version - ((const OwChangeVersion *) b)->version;
}

static void
compile_target(OwCompiler *compiler, OwState *state, const JsonbValue *versions, const char *key, const char *where)
{
	OwChangeVersion *version = &state->versions[state->nversions];

	if (!parse_version(key, &version->version))
	{
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidVersion", ow_where_member(where, key),
					   "Versions count from 1; \"-1\" is for runs of before the change.",
					   "\"Versions\" of state \"%s\" has \"%s\", which is no version", state->name, key);
		return;
	}
	if (ow_field_string(versions, key) == NULL)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "WrongType", ow_where_member(where, key), NULL,
					   "field \"%s\" in %s must be a string", key, ow_where_subject(where));
	version->next = ow_compile_target(compiler, versions, key, where);
	state->nversions++;
}

/* Min or Max: both must be there to be chosen, and what is beyond them never is. */
static void
check_limit(OwCompiler *compiler, const OwState *state, const JsonbValue *source, const char *field, const char *what,
			int actual, const char *where)
{
	int64		limit;

	if (!ow_field_is_present(source, field) || state->nversions == 0)
		return;
	limit = ow_field_integer(source, field, OW_ORIGINAL_VERSION, OW_MAX_CHANGE_VERSION, actual, where, compiler->problems);
	if (limit != actual)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "InvalidVersion", ow_where_member(where, field),
					   "Versions beyond \"Min\" and \"Max\" would never be taken, and these two must lead somewhere.",
					   "field \"%s\" of state \"%s\" is " INT64_FORMAT ", and the %s of its \"Versions\" is %d",
					   field, state->name, limit, what, actual);
}

void
ow_compile_version(OwCompiler *compiler, OwState *state, const JsonbValue *source, const char *where)
{
	char	   *place = ow_where_member(where, "Versions");
	OwJsonMembers members;
	JsonbValue	versions;
	JsonbValue	target;
	char	   *key;

	state->change_id = ow_field_string(source, "ChangeId");
	state->flag = ow_field_string(source, "Flag");
	if (!ow_field_get(source, "Versions", OW_OBJECT, &versions))
	{
		compiler->ends[state->index] = true;	/* who knows where it would lead */
		return;
	}
	if (ow_json_value_count(&versions) == 0)
		ow_problem_add(compiler->problems, OW_SEVERITY_ERROR, "EmptyVersions", place, NULL,
					   "field \"Versions\" in state \"%s\" is empty", state->name);
	state->versions = palloc0(Max(ow_json_value_count(&versions), 1) * sizeof(OwChangeVersion));
	ow_json_members_begin(&members, &versions);
	while (ow_json_members_next(&members, &key, &target))
		compile_target(compiler, state, &versions, key, place);
	qsort(state->versions, state->nversions, sizeof(OwChangeVersion), compare_versions);
	check_limit(compiler, state, source, "Min", "least", state->versions[0].version, where);
	check_limit(compiler, state, source, "Max", "greatest", state->versions[Max(state->nversions, 1) - 1].version, where);
}
