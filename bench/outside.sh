# shellcheck shell=bash disable=SC2154 # sourced by run.sh, which sets what is not set here
#
# Section "outside": activities done by programs outside, by workers with real connections.

# A worker that is killed while it waits would take one more task: the server has to end its session.
wait_until_alone() {
	until [[ $(sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pgbench'") == 0 ]]; do
		sleep 0.1
	done
}

# Workers, until end_workers; their progress goes to a file.
begin_workers() { # CLIENTS BATCH SCRIPT
	pgbench -n -M prepared -U "$role" -c "$1" -j 1 -T 3600 -D taken=0 -D tokens='{}' -D batch="$2" -f "$here/$3" \
		"$database" >"$work/workers" 2>&1 &
	workers=$!
}

end_workers() {
	kill "$workers" || die "workers: $(head -n 3 "$work/workers")"
	wait "$workers" 2>/dev/null || true
	! grep '^pgbench: error' "$work/workers" >&2 || die "a worker failed"
	wait_until_alone
}

drain_queue() {
	until [[ $(sql -c "SELECT count(*) FROM (SELECT FROM queue.message LIMIT 1) AS message") == 0 ]]; do
		kill -0 "$workers" 2>/dev/null || die "workers: $(head -n 3 "$work/workers")"
		sleep 0.005
	done
}

workers_for() { # BATCH: more, where each commits more often
	case $1 in
	1) echo 16 ;;
	10) echo 8 ;;
	*) echo 4 ;;
	esac
}

start_orders() { # COUNT MANY: one per transaction by 16 clients, or so many by 4
	if (($2 == 1)); then
		start_one order_4_outside "$1"
	else
		bench -c 4 -j 2 -t "$(($1 / $2 / 4))" -D workflow=order_4_outside -D many="$2" -f "$here/start_many.pgbench" >"$work/out"
	fi
}

# COUNT order-4, started so many per transaction, done by workers meanwhile.
measure_workers() { # LEG BATCH COUNT [MANY]
	local leg=$1 batch=$2 count=$3 many=${4:-1} since commits lsn from until watching durable

	since=$(sql -c "SELECT clock_timestamp()")
	begin_workers "$(workers_for "$batch")" "$batch" outside_work.pgbench
	start_one order_4_outside "$((count / 10))"
	drain >"$work/out"
	sleep 1.5
	commits=$(sql -d postgres -c "SELECT xact_commit FROM pg_stat_database WHERE datname = '$database'")
	lsn=$(sql -c "SELECT pg_current_wal_insert_lsn()")
	from=$EPOCHREALTIME
	start_orders "$count" "$many"
	watching=$(drain)
	until=$EPOCHREALTIME
	record "$leg" rate "$(calculate "$count / ($until - $from)")"
	record "$leg" wal "$(calculate "$(sql -c "SELECT pg_current_wal_insert_lsn() - '$lsn'") / $count")"
	durable=$(sql -c "SELECT coalesce(sum(count), 0) FROM pg_get_wal_stats('$lsn', pg_current_wal_flush_lsn(), true)
	                  WHERE \"resource_manager/record_type\" = 'Transaction/COMMIT'")
	sleep 1.5
	commits=$(sql -d postgres -c "SELECT xact_commit - $commits FROM pg_stat_database WHERE datname = '$database'")
	end_workers
	record "$leg" commits "$(calculate "($commits - $count / $many - $watching) / $count / 4")"
	record "$leg" durable "$(calculate "($durable - $count / $many) / $count / 4")"
	sql -c "CALL harness.check('order_4_outside', '$since')"
}

measure_queue() { # BATCH COUNT
	local from until

	sql -c "TRUNCATE queue.message, queue.archive"
	begin_workers "$(workers_for "$1")" "$1" queue_work.pgbench
	from=$EPOCHREALTIME
	bench -c 16 -j 2 -t "$(($2 / 16))" -f "$here/queue_start.pgbench" >"$work/out"
	drain_queue
	until=$EPOCHREALTIME
	end_workers
	[[ $(sql -c "SELECT count(*) FROM queue.archive") == $(($2 * 4)) ]] || die "the queue has lost messages"
	record "queue $1" rate "$(calculate "$2 / ($until - $from)")"
}

# By limits that are never reached
measure_flow_control() {
	[[ $(sql -c "SELECT to_regproc('workflow.set_task_queue') IS NOT NULL") == t ]] || return 0
	sql -U "$role" -o "$work/out" -c "SELECT workflow.set_task_queue('outside', rate_limit => 1000000, max_in_flight => 1000000)"
	measure_workers controlled 10 "$by_workers"
	sql -U "$role" -o "$work/out" -c "SELECT workflow.set_task_queue('outside')"
}

# From just before the commit of a start to the return of a poll that waits
measure_pickup() {
	begin_workers 1 1 pickup_work.pgbench
	bench -c 1 -R "$latency_rate" -T "$latency_seconds" -f "$here/pickup_start.pgbench" >"$work/out"
	drain >"$work/out"
	end_workers
	sql -c "SELECT 1000 * extract(epoch FROM returned_at - committing_at) FROM shop.pickup WHERE returned_at IS NOT NULL
	        ORDER BY committing_at OFFSET 10" |
		while read -r milliseconds; do
			record pickup milliseconds "$milliseconds"
		done
}

# Pollers that wait for what never comes
measure_idle_pollers() { # LEG SCRIPT
	configure "SET order_workflow.idle_timeout = '1h'" 'SET autovacuum = off'
	begin_workers 64 1 "$2"
	until [[ $(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND wait_event = 'Extension'") == 64 ]]; do
		sleep 0.1
	done
	sql -c "CHECKPOINT"
	sleep "$settle_seconds"
	processes >"$work/before"
	sleep "$idle_seconds"
	processes >"$work/after"
	record "idle $1" ticks "$(join "$work/before" "$work/after" | awk '$4 == "client" { ticks += $5 - $2 } END { print ticks + 0 }')"
	end_workers
	configure 'RESET order_workflow.idle_timeout' 'RESET autovacuum'
}

heartbeat_bytes() {
	sql -c "SELECT pg_relation_size('workflow.activity_heartbeat')"
}

measure_heartbeats() {
	local part rate

	start_many beating 1000
	sql -U "$role" -o "$work/out" -c "SELECT FROM workflow.poll_activity('beating', 'worker', 10000, '1 min')" # all are queued
	until [[ $(sql -c "SELECT count(*) FROM workflow.activity_task WHERE worker IS NOT NULL") == 1000 ]]; do
		sql -U "$role" -o "$work/out" -c "SELECT FROM workflow.poll_activity('beating', 'worker', 10000)"
		sleep 0.1
	done
	sql -c "INSERT INTO shop.beating
	        SELECT 1 + n % 10, array_agg(task_token)
	        FROM (SELECT task_token, row_number() OVER () AS n FROM workflow.pending_activities) AS task GROUP BY 1"
	rate=$(bench -c 16 -j 2 -t "$((heartbeats / 20 / 16))" -f "$here/beat_one.pgbench" | per_second)
	record 'heartbeats 1' rate "$rate"
	# which tasks is left to chance
	[[ $(sql -c "SELECT count(*) > 500 FROM workflow.activity_heartbeat") == t ]] || die "heartbeats are not taken"
	record heartbeats step "$((heartbeats / 10))"
	for ((part = 1; part <= 10; part++)); do
		rate=$(bench -c 4 -j 1 -t "$((heartbeats / 10 / 100 / 4))" -f "$here/beat_many.pgbench" | per_second)
		record 'heartbeats 100' rate "$(calculate "$rate * 100")"
		record 'heartbeats 100' bytes "$(heartbeat_bytes)"
	done
	sql -c "SELECT count(workflow.terminate(run_id)) FROM workflow.execution" >"$work/out"
	drain >"$work/out"
}

# Workers with enough to do, while a transaction somewhere keeps all that dies from being cleaned up
measure_old_snapshot() {
	local holder

	mkfifo "$work/holder"
	psql -XAtq -d "$database" <"$work/holder" >/dev/null &
	exec 8>"$work/holder"
	holder=$!
	echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1;" >&8
	start_many order_4_outside "$snapshot_runs"
	until [[ $(sql -c "SELECT count(*) FROM workflow.execution WHERE ready") == 0 ]]; do
		sleep 0.5
	done
	pgbench -n -M prepared -U "$role" -c 8 -j 1 -T "$snapshot_seconds" -P "$((snapshot_seconds / 6))" -D taken=0 -D tokens='{}' \
		-D batch=10 -f "$here/outside_work.pgbench" "$database" >"$work/out" 2>"$work/progress" || die "workers failed"
	[[ $(sql -c "SELECT count(*) FROM workflow.execution") != 0 ]] || say "  too few runs: the workers have waited"
	sed -n 's/^progress: .* s, \([0-9.]*\) tps.*/\1/p' "$work/progress" | awk '{ print NR, 10 * $1 }' |
		while read -r part rate; do
			record "snapshot $part" rate "$rate"
		done
	record snapshot seconds "$snapshot_seconds"
	exec 8>&-
	wait "$holder" || true
	rm "$work/holder"
	wait_until_alone
	sql -c "SELECT count(workflow.terminate(run_id)) FROM workflow.execution" >"$work/out"
	drain >"$work/out"
	sql -c "VACUUM ANALYZE"
}

measure_outside() {
	local batch runs

	sql -U "$role" -o /dev/null -f "$here/outside.sql" -f "$here/queue.sql"
	measure_pickup
	measure_idle_pollers call wait_by_call.pgbench
	measure_idle_pollers poll wait_by_poll.pgbench
	for ((round = 1; round <= rounds; round++)); do
		say "  round $round of $rounds"
		for batch in 1 10 100; do
			record naive-noop rate "$(run_naive "${best_form:-functions}" "${best_clients:-16}" order_4_noop "$((naive_seconds / 2))")"
			runs=$by_workers
			[[ $batch != 1 ]] || runs=$((by_workers / 4)) # it takes so much longer
			measure_workers "outside $batch" "$batch" "$runs"
			[[ $batch == 1 ]] || measure_workers "outside $batch, started alike" "$batch" "$runs" "$batch"
			measure_queue "$batch" "$runs"
		done
		measure_flow_control
	done
	round=0
	measure_heartbeats
	measure_old_snapshot
}
