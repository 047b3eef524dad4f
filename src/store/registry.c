/*
 * registry.c
 *		Writing workflow types, definitions and activities.
 *
 * Definitions are never updated: new content gets a new version, content that is there already
 * gives its version.  Contents are compared by digest first; the type's row lock keeps numbers
 * apart.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "engine/clock.h"
#include "machine/json.h"
#include "store/registry.h"
#include "store/store.h"
#include "utils/builtins.h"

static OwStatement lock_type = {
	.sql =
	"SELECT t.owner, t.current_version, t.ramp_version, t.ramp_percent"
	"  FROM workflow.workflow_type t WHERE t.name = $1 FOR UPDATE",
	.argument_types = "text"
};

static OwStatement add_type = {
	.sql =
	"INSERT INTO workflow.workflow_type (name, owner, current_version) VALUES ($1, $2, 0)"
	" ON CONFLICT (name) DO NOTHING",
	.argument_types = "text,regrole"
};

static OwStatement find_version = {
	.sql =
	"SELECT d.version, d.definition_id, d.deprecated_at IS NOT NULL FROM workflow.definition d"
	" WHERE d.workflow = $1 AND d.digest = $2 AND d.definition = $3"
	" ORDER BY d.version DESC LIMIT 1",
	.argument_types = "text,bytea,jsonb"
};

static OwStatement add_version = {
	.sql =
	"INSERT INTO workflow.definition (workflow, version, source, definition, digest, created_by)"
	" SELECT $1, coalesce(max(d.version), 0) + 1, $4, $3, $2, $5"
	"   FROM workflow.definition d WHERE d.workflow = $1"
	" RETURNING version",
	.argument_types = "text,bytea,jsonb,text,regrole"
};

static OwStatement find_content = {
	.sql =
	"SELECT d.definition_id, d.xmin FROM workflow.definition d"
	" WHERE d.workflow = $1 AND d.digest = $2 AND d.definition = $3"
	" ORDER BY d.version LIMIT 1",
	.argument_types = "text,bytea,jsonb"
};

static OwStatement add_unnumbered = {
	.sql =
	"INSERT INTO workflow.definition (definition_id, workflow, version, source, definition, digest, created_by)"
	" SELECT n, $1, n, $4, $3, $2, $5 FROM nextval('workflow.definition_id_seq') AS n"
	"  WHERE (SELECT count(*) FROM workflow.definition d WHERE d.workflow = $1) < $6"
	" RETURNING definition_id",
	.argument_types = "text,bytea,jsonb,text,regrole,int"
};

/* What had been ramped is all there now. */
static OwStatement make_current = {
	.sql =
	"UPDATE workflow.workflow_type"
	"   SET current_version = $2, ramp_version = nullif(ramp_version, $2),"
	"       ramp_percent = CASE WHEN ramp_version <> $2 THEN ramp_percent ELSE 0 END,"
	"       ramped_at = CASE WHEN ramp_version <> $2 THEN ramped_at END"
	" WHERE name = $1 AND current_version <> $2",
	.argument_types = "text,int"
};

static OwStatement set_ramp = {
	.sql =
	"UPDATE workflow.workflow_type"
	"   SET ramp_version = nullif($2, 0), ramp_percent = $3,"
	"       ramped_at = CASE WHEN ramp_version = $2 THEN ramped_at WHEN $2 > 0 THEN clock_timestamp() END"
	" WHERE name = $1",
	.argument_types = "text,int,float8"
};

static OwStatement mark_version = {
	.sql =
	"UPDATE workflow.definition"
	"   SET deprecated_at = CASE WHEN $2 > 0 THEN coalesce(deprecated_at, clock_timestamp()) END,"
	"       retired_at = CASE WHEN $2 > 1 THEN coalesce(retired_at, clock_timestamp()) END"
	" WHERE definition_id = $1",
	.argument_types = "int,int"
};

static OwStatement count_runs = {
	.sql =
	"SELECT (SELECT count(*) FROM workflow.execution e WHERE e.definition_id = $1)"
	"     + (SELECT count(*) FROM workflow.message m"
	"         WHERE m.kind = 'Retry' AND (m.payload->>'definition_id')::int = $1)",
	.argument_types = "int"
};

static OwStatement last_version = {
	.sql = "SELECT max(d.version) FROM workflow.definition d WHERE d.workflow = $1",
	.argument_types = "text"
};

static OwStatement add_activity = {
	.sql =
	"INSERT INTO workflow.activity"
	"       (name, owner, kind, function_schema, function_name, function_arguments, options, task_queue, function_hash)"
	" VALUES ($1, $2, CASE WHEN $7 IS NULL THEN 'sql' ELSE 'queue' END, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT (name) DO NOTHING",
	.argument_types = "text,regrole,text,text,text,jsonb,text,text"
};

static OwStatement replace_activity = {
	.sql =
	"UPDATE workflow.activity"
	"   SET kind = CASE WHEN $7 IS NULL THEN 'sql' ELSE 'queue' END, function_schema = $3, function_name = $4,"
	"       function_arguments = $5, options = $6, task_queue = $7, function_hash = $8, registered_at = clock_timestamp()"
	" WHERE name = $1 AND owner = $2",
	.argument_types = "text,regrole,text,text,text,jsonb,text,text"
};

/* The first is in force at once, as nobody can have used the activity before; so is that of a test, which nobody else sees. */
static OwStatement note_registration = {
	.sql =
	"INSERT INTO workflow.activity_registration (activity, registered_at, owner, in_force_from, settled, function_hash)"
	" SELECT a.name, t.at, a.owner, t.at, $2 OR l.activity IS NULL, a.function_hash"
	"   FROM workflow.activity a"
	"   LEFT JOIN LATERAL (SELECT r.activity, r.function_hash, r.registered_at FROM workflow.activity_registration r"
	"                       WHERE r.activity = a.name ORDER BY r.registered_at DESC LIMIT 1) AS l ON true"
	"  CROSS JOIN LATERAL (SELECT greatest(workflow.now(), l.registered_at + interval '1 us') AS at) AS t"
	"  WHERE a.name = $1 AND (l.activity IS NULL OR l.function_hash IS DISTINCT FROM a.function_hash)",
	.argument_types = "text,bool"
};

static OwStatement lock_activity = {
	.sql = "SELECT a.owner FROM workflow.activity a WHERE a.name = $1 FOR UPDATE",
	.argument_types = "text"
};

static OwStatement release_activity = {
	.sql =
	"UPDATE workflow.activity SET crashes = 0, quarantined_at = NULL"
	" WHERE name = $1 AND (quarantined_at IS NOT NULL OR crashes > 0)",
	.argument_types = "text"
};

static Datum
digest_of(Jsonb *definition)
{
	char	   *text = ow_json_to_cstring(definition);
	bytea	   *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) text, strlen(text)) < 0 ||
		pg_cryptohash_final(hash, (uint8 *) VARDATA(digest), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute the digest of a definition: %s", pg_cryptohash_error(hash));
	pg_cryptohash_free(hash);
	return PointerGetDatum(digest);
}

static bool
find_owner(OwStatement *statement, const char *name, Oid *owner)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		isnull;

	if (ow_store_execute(statement, values, NULL) == 0)
		return false;
	*owner = DatumGetObjectId(ow_store_datum(0, 1, &isnull));
	return true;
}

Oid
ow_registry_lock_type(const char *workflow, Oid role)
{
	Datum		values[2] = {CStringGetTextDatum(workflow), ObjectIdGetDatum(role)};
	Oid			owner;

	ow_store_open();
	if (!find_owner(&lock_type, workflow, &owner))
	{
		ow_store_execute(&add_type, values, NULL);
		if (!find_owner(&lock_type, workflow, &owner))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to a concurrent registration of workflow \"%s\"",
							workflow)));
	}
	ow_store_close();
	return owner;
}

int
ow_registry_add_version(const OwDefinitionRow *row)
{
	Datum		values[5] = {
		CStringGetTextDatum(row->workflow), digest_of(row->definition),
		JsonbPGetDatum(row->definition), CStringGetTextDatum(row->source), ObjectIdGetDatum(row->created_by)
	};
	int			unwanted = 0;
	int			version;

	ow_store_open();
	if (ow_store_execute(&find_version, values, NULL) == 0)
		ow_store_execute(&add_version, values, NULL);
	else if (ow_store_bool(0, 3))
		unwanted = ow_store_int(0, 2);
	version = ow_store_int(0, 1);
	ow_store_close();
	if (unwanted != 0)
		ow_registry_mark_version(unwanted, OW_VERSION_IN_USE);	/* it is wanted again */
	return version;
}

bool
ow_registry_add_type(const char *workflow, Oid role)
{
	Datum		values[2] = {CStringGetTextDatum(workflow), ObjectIdGetDatum(role)};
	bool		made;

	ow_store_open();
	made = ow_store_execute(&add_type, values, NULL) > 0;
	ow_store_close();
	return made;
}

int
ow_registry_find_content(const OwDefinitionRow *row, bool *settled)
{
	Datum		values[3] = {
		CStringGetTextDatum(row->workflow), digest_of(row->definition), JsonbPGetDatum(row->definition)
	};
	int			definition_id = 0;
	bool		isnull;

	ow_store_open();
	if (ow_store_execute(&find_content, values, NULL) > 0)
	{
		definition_id = ow_store_int(0, 1);
		*settled = !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(ow_store_datum(0, 2, &isnull)));
	}
	ow_store_close();
	return definition_id;
}

int
ow_registry_add_unnumbered(const OwDefinitionRow *row, int limit)
{
	Datum		values[6] = {
		CStringGetTextDatum(row->workflow), digest_of(row->definition), JsonbPGetDatum(row->definition),
		CStringGetTextDatum(row->source), ObjectIdGetDatum(row->created_by), Int32GetDatum(limit)
	};
	int			definition_id = 0;

	ow_store_open();
	if (ow_store_execute(&add_unnumbered, values, NULL) > 0)
		definition_id = ow_store_int(0, 1);
	ow_store_close();
	return definition_id;
}

void
ow_registry_make_current(const char *workflow, int version)
{
	Datum		values[2] = {CStringGetTextDatum(workflow), Int32GetDatum(version)};

	ow_store_open();
	ow_store_execute(&make_current, values, NULL);
	ow_store_close();
}

int
ow_registry_last_version(const char *workflow)
{
	Datum		values[1] = {CStringGetTextDatum(workflow)};
	int			version;

	ow_store_open();
	ow_store_execute(&last_version, values, NULL);
	version = ow_store_int(0, 1);
	ow_store_close();
	return version;
}

bool
ow_registry_lock_versions(const char *workflow, OwCurrentVersions *versions)
{
	bool		found;
	bool		isnull;

	ow_store_open();
	found = find_owner(&lock_type, workflow, &versions->owner);
	if (found)
	{
		versions->current = ow_store_int(0, 2);
		versions->ramp = ow_store_int(0, 3);
		versions->percent = DatumGetFloat8(ow_store_datum(0, 4, &isnull));
	}
	ow_store_close();
	return found;
}

void
ow_registry_set_ramp(const char *workflow, int version, double percent)
{
	Datum		values[3] = {CStringGetTextDatum(workflow), Int32GetDatum(version), Float8GetDatum(percent)};

	ow_store_open();
	ow_store_execute(&set_ramp, values, NULL);
	ow_store_close();
}

void
ow_registry_mark_version(int definition_id, OwVersionMark mark)
{
	Datum		values[2] = {Int32GetDatum(definition_id), Int32GetDatum(mark)};

	ow_store_open();
	ow_store_execute(&mark_version, values, NULL);
	ow_store_close();
}

int64
ow_registry_count_runs(int definition_id)
{
	Datum		values[1] = {Int32GetDatum(definition_id)};
	int64		count;
	bool		isnull;

	ow_store_open();
	ow_store_execute(&count_runs, values, NULL);
	count = DatumGetInt64(ow_store_datum(0, 1, &isnull));
	ow_store_close();
	return count;
}

static uint64
write_activity(OwStatement *statement, const OwActivityRow *row)
{
	Datum		values[8] = {
		CStringGetTextDatum(row->name), ObjectIdGetDatum(row->owner), 0, 0, 0, JsonbPGetDatum(row->options), 0, 0
	};
	const char *nulls = "  nnn  n";
	uint64		count;

	if (row->task_queue != NULL)
		values[6] = CStringGetTextDatum(row->task_queue);
	else
	{
		nulls = "      n ";
		values[2] = CStringGetTextDatum(row->function_schema);
		values[3] = CStringGetTextDatum(row->function_name);
		values[4] = CStringGetTextDatum(row->function_arguments);
		values[7] = CStringGetTextDatum(row->function_hash);
	}
	ow_store_open();
	count = ow_store_execute(statement, values, nulls);
	if (count == 1)
	{
		values[1] = BoolGetDatum(ow_clock_is_virtual());
		ow_store_execute(&note_registration, values, NULL);
	}
	ow_store_close();
	return count;
}

bool
ow_registry_add_activity(const OwActivityRow *row)
{
	return write_activity(&add_activity, row) == 1;
}

void
ow_registry_replace_activity(const OwActivityRow *row)
{
	if (write_activity(&replace_activity, row) != 1)
		elog(ERROR, "activity \"%s\" is not locked", row->name);
}

bool
ow_registry_lock_activity(const char *name, Oid *owner)
{
	bool		found;

	ow_store_open();
	found = find_owner(&lock_activity, name, owner);
	ow_store_close();
	return found;
}

bool
ow_registry_release_activity(const char *name)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		released;

	ow_store_open();
	released = ow_store_execute(&release_activity, values, NULL) > 0;
	ow_store_close();
	return released;
}
