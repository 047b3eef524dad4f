#!/usr/bin/env bash
#
# Runs orders, many of them with faults, through OrderWorkflow and OrderSaga on a private cluster.
#
#   examples/order_processing/demo.sh [start]
#       Installs what is missing, starts a new cluster and has it process the orders. Shows what
#       became of them. Fails if one is not finished or an invariant is broken. The cluster stays.
#   examples/order_processing/demo.sh stop
#       Removes the cluster.
#
# ORDERS        how many orders (1000)
# DEMO_TIMEOUT  seconds after which it gives up on them (120)

set -euo pipefail
dev=$(dirname "${BASH_SOURCE[0]}")/../../dev
# First of all: this may bring the pg_config that common.sh looks for.
[[ ${1:-start} != start ]] || "$dev/install_packages.sh" demo
# shellcheck source=dev/common.sh
source "$dev/common.sh"

readonly orders=${ORDERS:-1000} limit=${DEMO_TIMEOUT:-120}
[[ $orders =~ ^[1-9][0-9]{0,6}$ ]] || die "ORDERS must be a number of orders, not \"$orders\""
[[ $limit =~ ^[1-9][0-9]{0,6}$ ]] || die "DEMO_TIMEOUT must be a number of seconds, not \"$limit\""

run_psql() {
	"$("$PG_CONFIG" --bindir)/psql" -Xq -v ON_ERROR_STOP=1 "$@"
}

as_shop() {
	run_psql -U shop -d shop "$@"
}

start_cluster() {
	local connection

	dev/cluster.sh destroy demo
	dev/cluster.sh start demo
	connection=$(dev/cluster.sh env demo)
	eval "$connection"
	# No statement waits for ever, and none is worth compiling.
	export PGCONNECT_TIMEOUT=10 PGOPTIONS='-c statement_timeout=60s -c jit=off'
}

# The role that owns the application. Its workflows run as this role, which need not be special.
load() {
	run_psql -c 'CREATE ROLE shop LOGIN' -c 'CREATE DATABASE shop OWNER shop'
	run_psql -d shop -o /dev/null -c 'CREATE EXTENSION order_workflow' \
		-c "SELECT workflow.grant_usage('shop')"
	as_shop --single-transaction -o /dev/null -f examples/order_processing/load.sql
}

# Places the orders, a hundred in each transaction, by turns for either workflow.
place_orders() {
	as_shop -o /dev/null -v orders="$orders" <<-'SQL'
		SELECT format('SELECT orders.place_orders(%L, %s)',
			CASE i % 2 WHEN 0 THEN 'OrderSaga' ELSE 'OrderWorkflow' END,
			least(100, :orders - 100 * i))
		FROM generate_series(0, (:orders - 1) / 100) AS i \gexec
	SQL
}

# Sets finished, shipped, cancelled and violations to what they are at this moment.
look() {
	local row

	row=$(as_shop -At -F ' ' <<-'SQL'
		SELECT (SELECT count(*) FROM workflow.executions WHERE closed_at IS NOT NULL),
			count(*) FILTER (WHERE status = 'shipped'),
			count(*) FILTER (WHERE status = 'cancelled'),
			(SELECT count(*) FROM orders.check_invariants())
		FROM orders.orders
	SQL
	) || die "the server does not answer; its log is $PGHOST/log"
	read -r finished shipped cancelled violations <<<"$row"
}

# Shows the orders' progress until all are finished or the time is up. The invariants are checked
# meanwhile, too: they hold at every moment.
watch_orders() {
	local line interval=1 newline='\n' began=$SECONDS

	[[ ! -t 1 ]] || interval=0.2 newline='\r'
	while look; do
		printf -v line '%3d s: %d of %d orders finished: %d shipped, %d cancelled; %d violations' \
			$((SECONDS - began)) "$finished" "$orders" "$shipped" "$cancelled" "$violations"
		printf "%s   $newline" "$line"
		checks=$((checks + 1)) broken=$((broken + violations))
		((finished < orders && SECONDS - began < limit)) || break
		sleep "$interval"
	done
	[[ $newline == '\n' ]] || echo
}

start() {
	local finished shipped cancelled violations checks=0 broken=0

	cd "$root"
	say "building and installing"
	install_extension
	say "starting a cluster"
	start_cluster
	load
	say "placing $orders orders"
	place_orders
	watch_orders
	as_shop -P pager=off -f examples/order_processing/report.sql
	cat <<-TEXT
		The invariants were checked $checks times while the orders were processed.

		Look around:  dev/cluster.sh psql demo -U shop shop
		Clean up:     make demo-stop
	TEXT
	if ((finished < orders)); then
		as_shop -P pager=off -c "SELECT workflow_id, status, state FROM workflow.executions
			WHERE closed_at IS NULL ORDER BY started_at LIMIT 10" >&2
		die "$((orders - finished)) orders are not finished after $limit s; the log is $PGHOST/log"
	fi
	((broken == 0)) || die "invariants were broken: SELECT * FROM orders.check_invariants()"
}

case ${1:-start} in
start) start ;;
stop) "$dev/cluster.sh" destroy demo ;;
help | -h | --help) usage ;;
*) die "unknown command \"$1\"; see $0 help" ;;
esac
