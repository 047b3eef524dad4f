/*
 * identity.c
 *		Claiming a database for this cluster, and noticing that it belongs to another.
 *
 * The claim is made before the first run.  Runs without one are those of a copy that is still being
 * restored, in an order of its own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "settings.h"
#include "storage/proc.h"
#include "store/epoch.h"
#include "store/identity.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/inval.h"

static OwStatement claim = {
	.sql =
	"INSERT INTO workflow.engine_identity (system_identifier, database_oid, instance)"
	" SELECT $1, $2, $3"
	" WHERE NOT EXISTS (SELECT FROM workflow.engine_identity) AND NOT EXISTS (SELECT FROM workflow.execution)"
	" ON CONFLICT (singleton) DO NOTHING",
	.argument_types = "int8,int8,text"
};

static OwStatement claim_anew = {
	.sql =
	"INSERT INTO workflow.engine_identity (system_identifier, database_oid, instance)"
	" VALUES ($1, $2, $3) ON CONFLICT (singleton) DO UPDATE"
	"    SET system_identifier = excluded.system_identifier, database_oid = excluded.database_oid,"
	"        instance = excluded.instance, epoch = excluded.epoch, claimed_at = clock_timestamp()",
	.argument_types = "int8,int8,text"
};

static OwStatement compare = {
	.sql =
	"SELECT coalesce((SELECT system_identifier = $1 AND database_oid = $2 AND instance = $3"
	"                   FROM workflow.engine_identity),"
	"                NOT EXISTS (SELECT FROM workflow.execution)),"
	"       EXISTS (SELECT FROM workflow.engine_identity)",
	.argument_types = "int8,int8,text"
};

/*
 * What this backend remembers: that somebody's claim is committed, in which table (there is another one when the extension
 * is created anew), and the transaction that has made one, which may still be rolled back.
 */
static Oid	claim_seen_in = InvalidOid;
static LocalTransactionId claiming = InvalidLocalTransactionId;

static uint64
execute_with_identity(OwStatement *statement)
{
	Datum		values[3] = {
		Int64GetDatum((int64) GetSystemIdentifier()),
		Int64GetDatum((int64) MyDatabaseId),
		CStringGetTextDatum(ow_instance ? ow_instance : "")
	};

	return ow_store_execute(statement, values, NULL);
}

void
ow_identity_claim(void)
{
	Oid			table = ow_store_relation("engine_identity");

	if (claim_seen_in == table)
		return;
	ow_store_open();
	if (execute_with_identity(&claim) > 0)
		claiming = MyProc->lxid;
	else if (claiming != MyProc->lxid)
		claim_seen_in = table;
	ow_store_close();
	if (claiming == MyProc->lxid)
		ow_epoch_changed();
}

/*
 * The table whose claim is known to be for this cluster, under the name that this server has, until the relation cache
 * says that the table has changed.
 */
static Oid	ours_in = InvalidOid;
static uint64 ours_as;
static Oid	compared_in = InvalidOid;
static uint64 changes;

static void
claim_changed(Datum arg, Oid relation)
{
	if (OidIsValid(relation) && relation != compared_in)
		return;
	ours_in = InvalidOid;
	changes++;
}

static uint64
instance_hash(void)
{
	return ow_instance ? hash_bytes_extended((const unsigned char *) ow_instance, strlen(ow_instance), 0) : 0;
}

static void
watch_claim(void)
{
	static bool watching = false;

	if (!watching)
		CacheRegisterRelcacheCallback(claim_changed, (Datum) 0);
	watching = true;
}

/* Asked with each poll and answer: what is known is not looked up again. */
bool
ow_identity_is_foreign(void)
{
	Oid			table = ow_store_relation("engine_identity");
	bool		matches = true;
	uint64		seen = changes;

	if (OidIsValid(table) && ours_in == table && ours_as == instance_hash())
		return false;
	watch_claim();
	compared_in = table;
	ow_store_open();
	if (execute_with_identity(&compare) > 0)
	{
		matches = ow_store_bool(0, 1);
		/* a transaction-long snapshot may be older than what an invalidation has told */
		if (matches && ow_store_bool(0, 2) && seen == changes && !IsolationUsesXactSnapshot())
		{
			ours_in = table;
			ours_as = instance_hash();
		}
	}
	ow_store_close();
	return !matches;
}

void
ow_identity_claim_anew(void)
{
	ow_store_open();
	execute_with_identity(&claim_anew);
	ow_store_close();
	ow_epoch_changed();
}
