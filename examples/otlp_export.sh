#!/usr/bin/env bash
#
# Posts the spans of runs that have closed to an OpenTelemetry collector, once; for cron or a timer.
#
#   otlp_export.sh STATE_FILE [URL]
#       STATE_FILE remembers up to when spans have been posted; URL is http://localhost:4318/v1/traces
#       by default. The database is that of the PG… environment variables, the role a reader. When the
#       collector refuses, or does not answer, nothing is remembered, and the next call posts them again.
#
# A run that closed is posted when a minute has passed: by then the transaction that closed it has ended.

set -euo pipefail

readonly state=${1:?a file to remember the time in} url=${2:-http://localhost:4318/v1/traces}

since=$(cat "$state" 2>/dev/null || echo '-infinity')
until=$(psql -XAtqc "SELECT clock_timestamp() - interval '1 min'")
spans=$(psql -XAtq -v since="$since" -v until="$until" <<<"SELECT workflow.otlp_spans(:'since', :'until')")
if [[ -n $spans ]]; then
	curl -sS --fail-with-body -o /dev/null -H 'Content-Type: application/json' --data-binary @- "$url" <<<"$spans"
fi
echo "$until" >"$state"
