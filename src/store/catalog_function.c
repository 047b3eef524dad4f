/*
 * catalog_function.c
 *		The function of a SQL activity, by what is stored of it: names, which survive dump and restore, and a hash.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "nodes/value.h"
#include "store/catalog.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
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

#define HASH_BYTES 8			/* of the digest that are kept */

static char *
short_hash(const char *text)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(2 * HASH_BYTES + 1);

	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) text, strlen(text)) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute the hash of a function: %s", pg_cryptohash_error(hash));
	pg_cryptohash_free(hash);
	hex_encode((const char *) digest, HASH_BYTES, hex);
	hex[2 * HASH_BYTES] = '\0';
	return hex;
}

/* With nothing on the search path all types are written with their schemas, whoever asks. */
char *
ow_catalog_function_hash(Oid function)
{
	OverrideSearchPath *path = GetOverrideSearchPath(CurrentMemoryContext);
	char	   *definition;

	path->schemas = NIL;
	path->addCatalog = true;
	path->addTemp = false;
	PushOverrideSearchPath(path);
	definition = TextDatumGetCString(OidFunctionCall1(F_PG_GET_FUNCTIONDEF, ObjectIdGetDatum(function)));
	PopOverrideSearchPath();
	return short_hash(definition);
}
