/*
 * snapshot.c
 *		How old the snapshots of other sessions are, which hold back vacuum.
 *
 * pg_stat_activity tells that only to those who may see everybody's queries.  Ages alone are no secret.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ow_snapshot_ages);

/* Of this database, or of a standby that says what it needs; vacuum does not wait for vacuum */
static bool
holds_back(const LocalPgBackendStatus *local)
{
	const PgBackendStatus *backend = &local->backendStatus;

	return TransactionIdIsNormal(local->backend_xmin) && backend->st_procpid != MyProcPid &&
		backend->st_backendType != B_AUTOVAC_WORKER &&
		(backend->st_databaseid == MyDatabaseId || backend->st_databaseid == InvalidOid);
}

/* snapshot_ages() RETURNS TABLE (since timestamptz, age bigint) */
Datum
ow_snapshot_ages(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TransactionId latest = GetStableLatestTransactionId();

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		const LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);
		TimestampTz since;
		Datum		values[2];
		bool		nulls[2] = {false, false};

		if (local == NULL || !holds_back(local))
			continue;
		since = local->backendStatus.st_xact_start_timestamp;
		nulls[0] = since == 0;
		values[0] = TimestampTzGetDatum(since);
		values[1] = Int64GetDatum(Max((int32) (latest - local->backend_xmin), 0));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
