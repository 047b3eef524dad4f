/*
 * run_reopen.c
 *		Bringing a closed run back because its failed compensations are to be tried again.
 *
 * Its outcome stays decided: once the compensations have run it closes again the same way.  The
 * state comes from closed_execution.machine, which the close kept for this.
 */
#include "postgres.h"

#include "errors.h"
#include "store/run.h"
#include "store/start.h"
#include "store/store.h"

static OwStatement reopen = {
	.sql =
	"WITH closed AS ("
	"    DELETE FROM workflow.closed_execution c"
	"     WHERE c.shard_key = $1 AND c.bucket = $2 AND c.run_id = $3 AND c.machine IS NOT NULL RETURNING c.*)"
	"INSERT INTO workflow.execution"
	"       (shard_key, run_id, workflow_id, bucket, definition_id, owner, started_by, started_at, ready, status,"
	"        state, phase, attempt, next_event_id, next_branch_id, handler_taken, cancel_requested, sticky_status, compensation,"
	"        compensations, entered_at, scheduled_at, data, visits, error, outcome, input, memo, request_id, chain_id, root_run_id,"
	"        traceparent, changes, run_attempt, schedule, parent_workflow_id, parent_run_id, deadline,"
	"        execution_deadline, options, variables)"
	" SELECT shard_key, run_id, workflow_id, bucket, definition_id, owner, started_by, started_at, true, 'Running',"
	"        state, 'Closed', 0, events + 1, (machine->>'next_branch_id')::int, (machine->>'handler_taken')::bool, (machine->>'cancel_requested')::bool,"
	"        machine->>'sticky_status', 0, (machine->>'compensations')::int, (machine->>'entered_at')::timestamptz,"
	"        (machine->>'scheduled_at')::timestamptz, machine->'data', machine->'visits', machine->'error',"
	"        jsonb_strip_nulls(jsonb_build_object('Status', status, 'Error', error, 'Cause', cause,"
	"                                             'PublicError', public_error, 'NonRetryable', machine->'non_retryable'))"
	"        || CASE WHEN output IS NULL THEN '{}' ELSE jsonb_build_object('Output', output) END,"
	"        input, memo, request_id, chain_id, root_run_id, traceparent, machine->'changes', run_attempt, schedule,"
	"        parent_workflow_id, parent_run_id, deadline, execution_deadline, options, machine->'variables'"
	"   FROM closed"
	" ON CONFLICT (shard_key, workflow_id) DO NOTHING"
	" RETURNING run_id",
	.argument_types = "int,int2,uuid"
};

void
ow_run_reopen(const OwRunRef *ref, int bucket)
{
	Datum		values[3] = {
		Int32GetDatum(ref->shard_key),
		Int16GetDatum(bucket),
		UUIDPGetDatum(&ref->run_id)
	};

	if (ow_store_execute(&reopen, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the run cannot be opened again"),
				 errdetail("It has no failed compensation, or a later run of the same workflow id is open.")));
}
