/*
 * catalog_function.c
 *		The function of a SQL activity, by what is stored of it: names, which survive dump and restore.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/value.h"
#include "store/catalog.h"
#include "utils/builtins.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

/* Splits 'pg_catalog.jsonb, shop."odd, name"' at the commas outside quotes. */
static List *
split_arguments(char *text)
{
	List	   *parts = NIL;
	char	   *start = text;
	bool		quoted = false;

	for (char *at = text;; at++)
	{
		if (*at == '"')
			quoted = !quoted;
		else if (*at == '\0' || (*at == ',' && !quoted))
		{
			bool		last = *at == '\0';

			*at = '\0';
			while (*start == ' ')
				start++;
			if (*start != '\0')
				parts = lappend(parts, start);
			if (last)
				return parts;
			start = at + 1;
		}
	}
}

/* Looks up a type named schema.name, whoever may use that schema. */
static Oid
find_argument_type(const char *name)
{
	List	   *names = stringToQualifiedNameList(name);
	Oid			schema;

	if (list_length(names) != 2)
		return InvalidOid;
	schema = get_namespace_oid(strVal(linitial(names)), true);
	if (!OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(strVal(lsecond(names))),
						   ObjectIdGetDatum(schema));
}

Oid
ow_catalog_resolve(const OwSqlFunction *function)
{
	Oid			types[FUNC_MAX_ARGS];
	int			count = 0;
	Oid			schema = get_namespace_oid(function->schema, true);
	ListCell   *cell;

	if (!OidIsValid(schema))
		return InvalidOid;
	foreach(cell, split_arguments(pstrdup(function->arguments)))
	{
		if (count == FUNC_MAX_ARGS)
			return InvalidOid;
		types[count] = find_argument_type(lfirst(cell));
		if (!OidIsValid(types[count++]))
			return InvalidOid;
	}
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(function->name),
						   PointerGetDatum(buildoidvector(types, count)), ObjectIdGetDatum(schema));
}
