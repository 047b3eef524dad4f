#!/usr/bin/env bash
#
# Posts the spans of runs that have closed to an OpenTelemetry collector, once; for cron or a timer.
#
#   otlp_export.sh STATE_FILE [URL]
#       STATE_FILE remembers up to which run spans have been posted; URL is http://localhost:4318/v1/traces
#       by default. The database is that of the PG… environment variables, the role the owner of the
#       workflows: a reader sees less in spans. They are posted in pages of $PAGE runs (200), and the
#       place is remembered after each: when the collector refuses, or does not answer, the next call
#       goes on there.
#
# A run that closed is posted when a minute has passed: by then the transaction that closed it has ended.

set -euo pipefail

readonly state=${1:?a file to remember the place in} url=${2:-http://localhost:4318/v1/traces} page=${PAGE:-200}

since=-infinity run=''
if [[ -s $state ]]; then
	IFS=$'\t' read -r since run <"$state" || true
fi
until=$(psql -XAtqc "SELECT clock_timestamp() - interval '1 min'")
while
	next=$(
		psql -XAtq -F $'\t' -v ON_ERROR_STOP=1 -v since="$since" -v run="$run" -v until="$until" -v page="$page" <<-'SQL'
			SELECT closed_at, run_id, request
			FROM workflow.otlp_page(:'since', nullif(:'run', '')::uuid, :'until', :page) WHERE request IS NOT NULL
		SQL
	) || exit # in a condition, set -e does not
	[[ -n $next ]]
do
	IFS=$'\t' read -r since run spans <<<"$next"
	curl -sS --fail-with-body -o /dev/null -H 'Content-Type: application/json' --data-binary @- "$url" <<<"$spans"
	printf '%s\t%s\n' "$since" "$run" >"$state.new"
	mv "$state.new" "$state"
done
