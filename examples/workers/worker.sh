#!/usr/bin/env bash
#
# A worker in bash and psql: takes tasks of OrderSagaOutside, does them, and answers.
#
#   worker.sh [TASK_QUEUE]     (orders)
#
# Connects as PGHOST, PGDATABASE, PGUSER … say. SIGTERM, or workflow.drain_worker(), ends it when the
# task in hand is done.
# OUTSIDE is a directory that stands for the world: each deed is a file there, named by the task's
# idempotency key, so that to do it twice is to do it once.

set -uo pipefail

readonly queue=${1:-orders} world=${OUTSIDE:?is to be a directory} separator=$'\x1f'
readonly activities='{ReserveGoods,ReturnGoods,ChargeCard,RefundCard,SendParcel}'
stopping=
errors=$(mktemp)
trap 'stopping=yes' TERM INT
trap 'rm -f "$errors"' EXIT

# sql QUERY [NAME=VALUE …]: its rows go into $rows. Each call is a connection; as long as the server is
# away (psql's status is 2 then) it is tried again, which nothing here is harmed by. OW304 says that we are
# drained.
sql() {
	local pause=1 status

	while true; do
		rows=$(psql -XqAt -F "$separator" -v ON_ERROR_STOP=1 -v VERBOSITY=verbose "${@:2}" <<<"$1" 2>"$errors") && return
		status=$?
		! grep -q 'ERROR:  OW304' "$errors" || exit 0
		cat "$errors" >&2
		((status == 2)) && [[ ! $stopping ]] || exit "$status"
		sleep "$pause"
		pause=$((pause < 8 ? pause * 2 : 8))
	done
}

fail() {
	sql "SELECT workflow.fail_activity(:'token', :'error', :'message')" \
		-v token="$token" -v error="$1" -v message="$2"
}

# Still at it; false if the task is no longer ours.
beat() {
	sql "SELECT ok FROM workflow.heartbeat(:'token')" -v token="$token"
	[[ $rows == t ]]
}

# Does the task and prints its result, or fails it.
perform() {
	case $activity in
	ChargeCard) ((${amount%.*} <= 100)) || { fail CardDeclined "no credit for $amount" && return 1; } ;;
	SendParcel)
		[[ $carrier != phantom ]] || { fail NoCarrier "$carrier never comes" && return 1; }
		[[ $carrier != tardy ]] || { sleep 1 && beat && sleep 1 && beat; } || return
		;;
	ReturnGoods | RefundCard)
		rm -f "$world/$undone"
		return
		;;
	esac
	echo "$activity" >"$world/$key"
}

while [[ ! $stopping ]]; do
	sql "SELECT task_token, activity, idempotency_key, compensates->>'idempotency_key',
			input->>'amount', input->>'carrier'
		FROM workflow.poll_activity(:'queue', :'worker',
			activities => :'activities')" \
		-v queue="$queue" -v worker="bash $$" -v activities="$activities"
	if IFS=$separator read -r token activity key undone amount carrier <<<"$rows" && [[ $token ]]; then
		perform && sql "SELECT workflow.complete_activity(:'token', '{\"by\": \"bash\"}')" -v token="$token"
	else
		sql "CALL workflow.wait_for_activity(:'queue', '5s', :'activities', :'worker')" \
			-v queue="$queue" -v activities="$activities" -v worker="bash $$"
	fi
done
