#!/usr/bin/env bash
#
# Measures order_workflow on a private cluster, beside its yardsticks.
#
#   bench/run.sh [--quick] [--rounds N] [--keep] [SECTION ...]
#
# Sections: memory, throughput (with WAL and commits), branches (chains, Map, Parallel), latency, idle, outside
# (activities of programs outside), retention, and with BASELINE=COMMIT baseline (order-4 by that build and by this one); all of them by default.
#   --quick     small numbers, to see that everything works
#   --rounds N  rounds of the sections that have rounds (default 5)
#   --keep      leave the cluster "bench" running afterwards
#
# The report goes to standard output; a full run also writes it to bench/RESULTS.md.
# CLUSTER names the cluster, instead of "bench".  The extension must have been installed (make install). README.md says what is measured and how.

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../dev/common.sh"

readonly cluster=${CLUSTER:-bench} database=bench role=bench
all_sections=(memory throughput branches latency idle outside retention) # memory while the executors are fresh
# First: both builds begin with empty tables.
[[ -z ${BASELINE:-} ]] || all_sections=(baseline "${all_sections[@]}")
readonly all_sections
readonly settings=(
	shared_buffers=2GB
	max_wal_size=32GB checkpoint_timeout=1h # so that no checkpoint falls into a measurement
	max_connections=100
	autovacuum=on
)

here=$root/bench
PATH=$("$PG_CONFIG" --bindir):$PATH
export LC_ALL=C.UTF-8 # figures have a decimal point

quick=false keep=false rounds='' round=0 section='' sections=()
command="${BASELINE:+BASELINE=$BASELINE }bench/run.sh${*:+ $*}"
while (($#)); do
	case $1 in
	--quick) quick=true ;;
	--keep) keep=true ;;
	--rounds)
		rounds=${2:-}
		[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "--rounds needs a number"
		shift
		;;
	-h | --help)
		usage
		exit
		;;
	*)
		[[ " ${all_sections[*]} " == *" $1 "* ]] || die "unknown argument \"$1\"; see $0 --help"
		sections+=("$1")
		;;
	esac
	shift
done
$quick || ((${#sections[@]})) || results=$here/RESULTS.md
((${#sections[@]})) || sections=("${all_sections[@]}")

# Sizes of a full run; a quick one shows that everything works.
naive_seconds=8 batches=60 by_one=24000 by_many=60000
latency_seconds=20 latency_rate=20
memory_step=10000 memory_steps=10
chains=200 items=20000 item_counts=(100 1000 10000)
baseline_runs=20000
by_workers=8000 heartbeats=1000000 snapshot_runs=250000 snapshot_seconds=60
kept=200000
parked=10000 settle_seconds=15 idle_seconds=10
if $quick; then
	rounds=${rounds:-1} naive_seconds=2 batches=10 by_one=4000 by_many=10000
	latency_seconds=3 memory_step=1000 settle_seconds=5
	chains=20 items=1000 item_counts=(10 100 1000) baseline_runs=4000
	by_workers=1600 heartbeats=32000 snapshot_runs=15000 snapshot_seconds=6
	kept=20000
fi
rounds=${rounds:-5}

work=$(mktemp -d)
samples=$work/samples

#
# Helpers
#

# As the superuser, in the benchmark's database.
sql() {
	psql -XAtq -v ON_ERROR_STOP=1 -d "$database" "$@"
}

# Keeps a figure of the current section and round.
record() { # LEG METRIC VALUE
	printf '%s\t%s\t%s\t%s\t%s\n' "$section" "$round" "$1" "$2" "$3" >>"$samples"
}

calculate() {
	awk "BEGIN { printf \"%.6f\", ($1) }"
}

# Runs a script as the workflows' owner and prints pgbench's summary.
bench() {
	pgbench -n -M prepared -U "$role" "$@" "$database" 2>"$work/errors" || die "pgbench: $(head -n 3 "$work/errors")"
}

per_second() {
	sed -n 's/^tps = \([0-9.]*\) .*/\1/p'
}

# Changes settings of the running server: SET NAME = VALUE, or RESET NAME.
configure() {
	local change

	for change in "$@"; do
		sql -c "ALTER SYSTEM $change"
	done
	sql -o "$work/out" -c "SELECT pg_reload_conf()"
	sleep 0.5
}

# Waits until no run is open; prints the commits this took.
drain() {
	sql -c "CALL harness.drain(NULL)"
}

executors() {
	sql -c "SELECT pid FROM pg_stat_activity WHERE usename = '$role' AND backend_type <> 'client backend'"
}

# CPU time of the executors so far, in nanoseconds
executors_cpu() {
	local pid busy sum=0

	for pid in $(executors); do
		read -r busy _ <"/proc/$pid/schedstat" && sum=$((sum + busy))
	done
	echo "$sum"
}

start_one() { # WORKFLOW COUNT
	bench -c 16 -j 2 -t "$(($2 / 16))" -D workflow="$1" -f "$here/start_one.pgbench" >"$work/out"
}

start_many() { # WORKFLOW COUNT
	bench -c 1 -t "$(($2 / 1000))" -D workflow="$1" -D many=1000 -f "$here/start_many.pgbench" >"$work/out"
}

#
# Cluster
#

finish() {
	local status=$?

	trap - EXIT
	if ((status)) && [[ -n ${PGDATA_PATH:-} ]]; then
		say "The server's log ends with:"
		tail -n 10 "$(dirname "$PGDATA_PATH")/log" >&2 || true
	fi
	$keep || "$root/dev/cluster.sh" destroy "$cluster" || true
	[[ -z ${baseline_server:-} ]] || by before "$root/dev/cluster.sh" destroy "$cluster-baseline" || true
	rm -rf "$work"
	exit "$status"
}

# A new cluster with the application and order-4, which is also the one that is talked to from here on.
start_cluster() { # NAME
	local options=() setting

	for setting in "${settings[@]}"; do
		options+=(-c "$setting")
	done
	"$root/dev/cluster.sh" destroy "$1" 2>/dev/null || true
	"$root/dev/cluster.sh" start "$1" "${options[@]}"
	eval "$("$root/dev/cluster.sh" env "$1")"

	psql -XAtq -v ON_ERROR_STOP=1 -c "CREATE ROLE $role LOGIN" -c "CREATE DATABASE $database OWNER $role"
	sql -U "$role" -f "$here/shop.sql"
	sql -f "$here/harness.sql"
	sql -U "$role" -o /dev/null -f "$here/workflows.sql"
}

set_up() {
	trap finish EXIT
	start_cluster "$cluster"
	sql -U "$role" -o /dev/null -f "$here/naive.sql" -f "$here/branches.sql"
	touch "$samples"
}

#
# Memory
#

# Private memory of an executor, which logs in as the workflows' owner and does all the work.
measure_memory() {
	local pid resident

	configure 'SET order_workflow.max_workers = 1'
	record executors step "$memory_step"
	for ((round = 1; round <= memory_steps; round++)); do
		start_many order_4 "$memory_step"
		drain >"$work/out"
		for pid in $(executors); do
			resident=$(awk '/^RssAnon:/ { print $2 }' "/proc/$pid/status") || continue
			record "$pid" kilobytes "$resident"
		done
	done
	round=0
	configure 'RESET order_workflow.max_workers'
}

#
# Throughput, WAL, commits
#

# Yardstick (a) for a while; prints the workflows completed per second.
run_naive() { # FORM CLIENTS WORKFLOW SECONDS
	local step=$here/naive_$1_step.pgbench before after

	cat "$here/naive_$1_start.pgbench" "$step" "$step" "$step" "$step" >"$work/naive.pgbench"
	sql -c "TRUNCATE naive.workflow, naive.task, naive.history" -c "CALL harness.empty_shop()"
	bench -c "$2" -j 2 -T 1 -D workflow="$3" -f "$work/naive.pgbench" >/dev/null
	before=$(sql -c "SELECT count(*) FROM naive.workflow WHERE status = 'Completed'")
	bench -c "$2" -j 2 -T "$4" -D workflow="$3" -f "$work/naive.pgbench" >/dev/null
	after=$(sql -c "SELECT count(*) FROM naive.workflow WHERE status = 'Completed'")
	calculate "($after - $before) / $4"
}

# Finds the form and the number of clients with which yardstick (a) is fastest: best_form, best_clients.
calibrate() {
	local form clients rate best=0

	for ((round = 1; round <= 2; round++)); do
		for form in functions statements; do
			for clients in 4 8 16 32; do
				rate=$(run_naive "$form" "$clients" order_4 "$((naive_seconds / 2))")
				record "$form" "$clients" "$rate"
				if [[ $(calculate "$rate > $best") == 1* ]]; then
					best=$rate best_form=$form best_clients=$clients
				fi
			done
		done
	done
	record best "$best_form" "$best_clients"
}

measure_naive() { # LEG WORKFLOW
	local rate

	rate=$(run_naive "$best_form" "$best_clients" "$2" "$naive_seconds")
	record "$1" rate "$rate"
}

# The engine: COUNT runs from the first start to the last close, with their WAL and commits.
measure_engine() { # LEG HOW WORKFLOW COUNT
	local leg=$1 how=$2 workflow=$3 count=$4 starts=$4 since lsn commits cpu from until watching wal images durable

	[[ $how == start_one ]] || starts=$((count / 1000))
	sql -c "CALL harness.empty_shop()"
	since=$(sql -c "SELECT clock_timestamp()")
	"$how" "$workflow" "$((count / 10 / 1000 * 1000 + 1000))"
	drain >"$work/out"
	sleep 1.5 # until everybody has reported statistics

	commits=$(sql -d postgres -c "SELECT xact_commit FROM pg_stat_database WHERE datname = '$database'")
	lsn=$(sql -c "SELECT pg_current_wal_insert_lsn()")
	cpu=$(executors_cpu)
	from=$EPOCHREALTIME
	"$how" "$workflow" "$count"
	watching=$(drain)
	until=$EPOCHREALTIME
	record "$leg" cpu "$(calculate "($(executors_cpu) - $cpu) / 1e3 / $count")"
	record "$leg" rate "$(calculate "$count / ($until - $from)")"

	sql -F ' ' -v lsn="$lsn" <<-'SQL' >"$work/wal"
		SELECT sum(combined_size), sum(fpi_size),
		       coalesce(sum(count) FILTER (WHERE "resource_manager/record_type" = 'Transaction/COMMIT'), 0)
		FROM pg_get_wal_stats(:'lsn', pg_current_wal_flush_lsn(), true)
	SQL
	read -r wal images durable <"$work/wal"
	sleep 1.5
	commits=$(sql -d postgres -c "SELECT xact_commit - $commits FROM pg_stat_database WHERE datname = '$database'")
	record "$leg" wal "$(calculate "$wal / $count")"
	record "$leg" images "$(calculate "$images / $count")"
	record "$leg" durable "$(calculate "($durable - $starts) / $count")"
	record "$leg" commits "$(calculate "($commits - $starts - $watching) / $count")"
	sql -c "CALL harness.check('$workflow', '$since')"
}

# Yardstick (b): all captured rows once.
measure_rows() { # FORM SESSIONS
	local form=$1 sessions=$2 rate

	sql -c "CALL captured.empty('$form')"
	echo "SELECT $form.write(nextval('captured.next_batch')::int);" >"$work/rows.pgbench"
	rate=$(bench -U "$PGUSER" -c "$sessions" -j "$sessions" -t "$((batches / sessions))" -f "$work/rows.pgbench" | per_second)
	record "$form $sessions" rate "$(calculate "$rate * 1000")"
}

measure_commit() {
	local rate

	echo "SELECT pg_logical_emit_message(true, 'bench', 'x');" >"$work/commit.pgbench"
	rate=$(bench -c 1 -t 2000 -f "$work/commit.pgbench" | per_second)
	record commit microseconds "$(calculate "1e6 / $rate")"
}

measure_throughput() {
	sql -f "$here/rows.sql" -c "CALL captured.start($batches)"
	drain >"$work/out"
	sql -c "CALL captured.finish()" -c "VACUUM ANALYZE"
	calibrate
	for ((round = 1; round <= rounds; round++)); do
		say "  round $round of $rounds"
		measure_commit
		measure_naive naive order_4
		measure_engine one start_one order_4 "$by_one"
		measure_naive naive order_4 # again: of a round, the better one counts
		measure_engine many start_many order_4 "$by_many"
		for sessions in 1 2; do
			measure_rows plain "$sessions"
			measure_rows packed "$sessions"
		done
		measure_naive naive-noop order_4_noop
		measure_engine one-noop start_one order_4_noop "$by_one"
		measure_engine many-noop start_many order_4_noop "$by_many"
	done
	round=0
}

#
# Chains, Map, Parallel
#

# Keeps a file with the greatest private memory the process has had, in kB, until it is killed.
watch_memory() { # PID FILE
	local most=0 name value

	while sleep 0.02; do
		while read -r name value _; do
			[[ $name == RssAnon: && $value -gt $most ]] || continue
			most=$value
			echo "$most" >"$2"
		done <"/proc/$1/status"
	done
}

# RUNS runs by the one executor: per unit of work (UNITS in each run) its time, its CPU time and its WAL.
measure_units() { # LEG WORKFLOW INPUT RUNS UNITS ORDERS
	local leg=$1 workflow=$2 input=$3 runs=$4 units=$(($4 * $5)) orders=$6 since pid watcher lsn from until busy

	sql -c "CALL harness.empty_shop()"
	since=$(sql -c "SELECT clock_timestamp()")
	pid=$(executors)
	echo 0 >"$work/peak"
	watch_memory "$pid" "$work/peak" &
	watcher=$!
	lsn=$(sql -c "SELECT pg_current_wal_insert_lsn()")
	busy=$(executors_cpu)
	from=$EPOCHREALTIME
	sql -U "$role" -o /dev/null -c "SELECT workflow.start_many('$workflow', ARRAY(SELECT $input FROM generate_series(1, $runs)))"
	drain >"$work/out"
	until=$EPOCHREALTIME
	[[ $(executors) == "$pid" ]] || die "the executor has changed while it was measured"
	record "$leg" microseconds "$(calculate "($until - $from) * 1e6 / $units")"
	record "$leg" cpu "$(calculate "($(executors_cpu) - $busy) / 1e3 / $units")"
	record "$leg" wal "$(sql -c "SELECT (pg_current_wal_insert_lsn() - '$lsn') / $units")"
	kill "$watcher"
	wait "$watcher" 2>/dev/null || true
	record "$leg" kilobytes "$(cat "$work/peak")"
	sql -c "CALL harness.check('$workflow', '$since', $orders)"
}

# By one executor, as a run is never driven by two at a time.
measure_branches() {
	local workflow count

	configure 'SET order_workflow.max_workers = 1' "SET order_workflow.idle_timeout = '1h'"
	start_many order_4_noop 1000
	drain >"$work/out"
	for ((round = 1; round <= rounds; round++)); do
		say "  round $round of $rounds"
		measure_units chain chain_1000 "shop.new_order()" "$chains" 1000 0
		for workflow in map_orders map_undoable map_undone; do
			for count in "${item_counts[@]}"; do
				measure_units "$workflow $count" "$workflow" "shop.new_orders($count)" \
					"$((items / count))" "$count" "$items"
			done
		done
		measure_units parallel parallel_50 "shop.new_orders(50)" "$((items / 50))" 50 "$items"
	done
	round=0
	configure 'RESET order_workflow.max_workers' 'RESET order_workflow.idle_timeout'
}

#
# Latency
#

# One client that starts a run and waits for it, a few times per second: the system idles in between.
measure_latency() {
	bench -c 1 -t 50 -f "$here/start_and_wait.pgbench" >/dev/null
	since=$(sql -c "SELECT clock_timestamp()")
	bench -c 1 -R "$latency_rate" -T "$latency_seconds" -l --log-prefix="$work/latency" \
		-f "$here/start_and_wait.pgbench" >/dev/null
	# Field 3 counts from when the transaction was due, the last one is how late it began.
	awk '{ print $3 - $NF }' "$work"/latency.* | while read -r microseconds; do
		record client milliseconds "$(calculate "$microseconds / 1000")"
	done
	sql -v since="$since" <<-'SQL' | while read -r milliseconds; do
		SELECT 1000 * extract(epoch FROM closed_at - started_at) FROM workflow.executions WHERE started_at >= :'since'
	SQL
		record engine milliseconds "$milliseconds"
	done
}

#
# Idle
#

# What the cluster's processes have used: pid, clock ticks, wake-ups, name.
processes() {
	local checkpointer postmaster pid parent title fields wakeups

	checkpointer=$(sql -d postgres -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
	postmaster=$(awk '/^PPid:/ { print $2 }' "/proc/$checkpointer/status")
	for pid in /proc/[0-9]*; do
		# Processes may end while they are looked at.
		fields=$(sed 's/.*) //' "$pid/stat" 2>/dev/null) || continue
		read -r _ parent _ <<<"$fields"
		[[ $parent == "$postmaster" || ${pid#/proc/} == "$postmaster" ]] || continue
		title=$(tr '\0' ' ' <"$pid/cmdline" 2>/dev/null) || continue
		wakeups=$(awk '/^voluntary_ctxt_switches:/ { print $2 }' "$pid/status" 2>/dev/null) || continue
		awk -v pid="${pid#/proc/}" -v wakeups="$wakeups" -v title="$title" \
			'{ print pid, $12 + $13, wakeups, (title ~ /order_workflow/ ? "engine" : title ~ / bench bench / ? "client" : "server") }' <<<"$fields"
	done | sort
}

# What the database has been asked; read from another one, so that the question does not count.
queries() {
	sql -d postgres -F ' ' -c "SELECT xact_commit + xact_rollback, tup_returned + tup_fetched
	                           FROM pg_stat_database WHERE datname = '$database'"
}

measure_idle() {
	local before after

	# Executors stay; PostgreSQL's own housekeeping is not what is measured.
	configure "SET order_workflow.idle_timeout = '1h'" 'SET autovacuum = off'
	start_many wait_an_hour "$parked"
	sql -c "CALL harness.wait_until_parked($parked)"
	sql -c "VACUUM ANALYZE" -c "CHECKPOINT"
	sleep "$settle_seconds"

	before=$(queries)
	processes >"$work/before"
	sleep "$idle_seconds"
	processes >"$work/after"
	after=$(queries)

	record window seconds "$idle_seconds"
	record runs waiting "$(sql -c "SELECT count(*) FROM workflow.timer")"
	record database transactions "$((${after% *} - ${before% *}))"
	record database rows "$((${after#* } - ${before#* }))"
	join "$work/before" "$work/after" | awk '
		{ ticks[$4] += $5 - $2; wakeups[$4] += $6 - $3; processes[$4]++ }
		END { for (kind in ticks) print kind, processes[kind], ticks[kind], wakeups[kind] }
	' | while read -r kind count ticks wakeups; do
		record "$kind" processes "$count"
		record "$kind" ticks "$ticks"
		record "$kind" wakeups "$wakeups"
	done
	configure 'RESET order_workflow.idle_timeout' 'RESET autovacuum'
	# nobody waits for them
	sql -c "SELECT count(workflow.terminate(run_id)) FROM workflow.execution" >"$work/out"
	drain >"$work/out"
}

#
# Retention
#

# Runs closed per second within a time
record_closed() { # LEG FROM UNTIL, in seconds of the epoch
	record "$1" rate "$(sql -c "SELECT count(*) / ($3 - $2) FROM workflow.closed_execution
	                            WHERE closed_at >= to_timestamp($2) AND closed_at < to_timestamp($3)")"
}

# The longest of the starts that were under way within a time
record_stall() { # LEG FROM UNTIL
	record "$1" stall "$(awk -v from="$2" -v until="$3" '
		{ end = $5 + $6 / 1e6; begin = end - $3 / 1e6 }
		end >= from && begin <= until && $3 > most { most = $3 }
		END { print most / 1000 }' "$work"/starts.*)"
}

# Runs that nobody wants any longer, all in one leaf.  A class that keeps runs for 15 s has a leaf due for 5 s of each 25.
prepare_leaf() {
	sql -o "$work/out" -c "SELECT workflow.set_retention_class('short', '1 day')"
	start_many brief "$kept"
	drain >"$work/out"
	sql -o "$work/out" -c "SELECT workflow.set_retention_class('short', '15 s')" -c "VACUUM ANALYZE"
	sleep 16
}

# order-4 as fast as it goes: alone, while the leaf is emptied, and alone again.
measure_retention() {
	local alone from until starts

	sql -U "$role" -o "$work/out" <<-'SQL'
		SELECT workflow.register('brief', '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'::jsonb),
		       workflow.set_retention('brief', '1 day')
	SQL
	record leaf runs "$kept"
	for ((round = 1; round <= rounds; round++)); do
		say "  round $round of $rounds"
		prepare_leaf
		rm -f "$work"/starts.*
		bench -c 16 -j 2 -T 45 -l --log-prefix="$work/starts" -D workflow=order_4 -f "$here/start_one.pgbench" >"$work/out" &
		starts=$!
		sleep 4
		alone=$EPOCHREALTIME
		sleep 5
		until [[ $(sql -c "SELECT count(*) FROM workflow.due_leaves()") == 1 ]]; do
			sleep 0.1
		done
		from=$EPOCHREALTIME
		sql -c "CALL workflow.apply_retention()" 2>"$work/said"
		until=$EPOCHREALTIME
		grep -q "$kept runs have gone" "$work/said" || die "the leaf was not emptied: $(cat "$work/said")"
		sleep 5
		record_closed before "$alone" "$from"
		record_closed during "$from" "$until"
		record_closed after "$until" "$(calculate "$until + 5")"
		wait "$starts"
		record during seconds "$(calculate "$until - $from")"
		record_stall before "$alone" "$from"
		record_stall during "$from" "$until"
		drain >"$work/out"
	done
	round=0
}

#
# Against an earlier build
#

# A copy of the server's files, with the extension as it was at the commit: PostgreSQL finds its files from where it is.
build_baseline() {
	local server=$work/server directory source=$work/source

	for directory in --bindir --pkglibdir --sharedir --includedir; do
		directory=$("$PG_CONFIG" "$directory")
		mkdir -p "$server${directory%/*}"
		cp -a "$directory" "$server$directory"
	done
	mkdir "$source"
	git -C "$root" archive "$BASELINE" | tar -x -C "$source"
	baseline_server=$server$("$PG_CONFIG" --bindir)/pg_config
	make -s -C "$source" -j"$(nproc)" all PG_CONFIG="$baseline_server" >"$work/out" || die "cannot build $BASELINE"
	make -s -C "$source" install PG_CONFIG="$baseline_server" >"$work/out" || die "cannot install $BASELINE"
	chmod -R a+rX "$work"
}

# Runs a command with this build's server and cluster, or with those of the build before.
by() { # this|before COMMAND ...
	local build=$1

	shift
	if [[ $build == this ]]; then
		"$@"
		return
	fi
	(
		PG_CONFIG=$baseline_server PATH=${baseline_server%/*}:$PATH
		[[ -z ${baseline_started:-} ]] || eval "$("$root/dev/cluster.sh" env "$cluster-baseline")"
		"$@"
	)
}

# In each round both builds do the same, in turns.
measure_baseline() {
	local builds build workflow how

	build_baseline
	by before start_cluster "$cluster-baseline"
	baseline_started=true
	for ((round = 1; round <= rounds; round++)); do
		say "  round $round of $rounds"
		builds=(this before)
		((round % 2)) || builds=(before this)
		for workflow in order_4 order_4_noop; do
			for how in start_one start_many; do
				for build in "${builds[@]}"; do
					by "$build" measure_engine "$build $how $workflow" "$how" "$workflow" "$baseline_runs"
				done
			done
		done
	done
	round=0
}

#
# Report
#

machine() {
	local model

	model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -n 1)
	printf '%s, %s CPUs, %s GB memory, Linux %s, data on %s' "${model:-$(uname -m)}" "$(nproc)" \
		"$(awk '/^MemTotal:/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)" "$(uname -r)" \
		"$(df --output=fstype "$PGDATA_PATH/.." | tail -n 1)"
}

report() {
	cat <<-HEAD
		# Benchmark results

		$(date -u +'%Y-%m-%d %H:%M UTC'), by \`$command\`. [README.md](README.md) says what is measured and how.

		| | |
		|---|---|
		| machine | $(machine) |
		| load before | $load_before |
		| PostgreSQL | $(sql -c "SELECT version()") |
		| settings | $(sql -c "SELECT harness.settings()") |
	HEAD
	sql -f "$here/report.sql" <"$samples"
}

# shellcheck source=bench/outside.sh
source "$here/outside.sh"

load_before=$(cut -d ' ' -f 1 /proc/loadavg)
set_up
for section in "${sections[@]}"; do
	say "$section"
	"measure_$section"
done
report >"$work/report"
cat "$work/report"
[[ -z ${results:-} ]] || cp "$work/report" "$results"
