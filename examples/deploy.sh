#!/usr/bin/env bash
#
# Deploys workflows and activities from files: all of them or, if a test fails, none.
#
#   deploy.sh DIRECTORY
#       activities/*.sql    functions and workflow.register_activity(); whatever else they need. They
#                           are run every time: CREATE OR REPLACE, IF NOT EXISTS
#       workflows/*.json    a definition each, named as the file is
#       test/*.sql          pgTAP tests, of which each rolls back what it does
#
# Each test runs in a transaction that loads the activities, registers the definitions and makes them
# current, and is rolled back. When all have passed, one transaction does the same and commits. An
# unchanged definition stays the version it is; runs that are open stay on theirs.
#
# It connects as psql does (PGHOST, PGDATABASE, …), as the role that is to own the workflows.
#
# TEST_DATABASE  where the tests run, if the database has not got order_workflow_test

set -euo pipefail

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "$(basename "$0"): $*"
	exit 1
}

[[ $# == 1 && $1 != -* ]] || {
	sed -n '3,/^[^#]/ { s/^# \{0,1\}//p }' "$0"
	exit 1
}
directory=$(cd "$1" && pwd) || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shopt -s nullglob

run_psql() {
	psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

# A string as psql reads it in a command of its own.
quote() {
	local text=${1//\\/\\\\}

	printf "'%s'" "${text//\'/\'\'}"
}

# Writes what a deployment is, but for BEGIN and COMMIT. It prints a line for each workflow.
write_load() {
	local file name

	for file in "$directory"/activities/*.sql; do
		printf '\\o /dev/null\n\\i %s\n\\o\n' "$(quote "$file")"
	done
	for file in "$directory"/workflows/*.json; do
		name=$(basename "$file" .json)
		printf '\\set file %s\n\\set name %s\n' "$(quote "$file")" "$(quote "$name")"
		cat <<-'SQL'
			\set definition `cat :'file'`
			SELECT coalesce(max(version), 0) AS latest, coalesce(max(version) FILTER (WHERE is_current), 0) AS current
			FROM workflow.definitions WHERE workflow = :'name' \gset
			SELECT workflow.register(:'name', :'definition'::text, make_current => false) AS version \gset
			SELECT set_current AS previous FROM workflow.set_current(:'name', :version) \gset
			SELECT format('%s: version %s, %s', :'name', :version, CASE
				WHEN :version > :latest THEN 'new'
				WHEN :version = :current THEN 'unchanged'
				ELSE format('again, after %s', :current) END);
		SQL
	done
}

# The TAP output of one test, checked: prints how many passed, or fails.
check_tap() {
	awk '
		/^1\.\.[0-9]+/ { planned = substr($0, 4) + 0; plans++ }
		/^ok / { passed++ }
		/^not ok / && !/# *TODO/ { failed++ }
		/^not ok / && /# *TODO/ { passed++ }
		END {
			if (failed || plans != 1 || planned != passed)
				exit 1
			print passed
		}'
}

# Runs one test on the new versions; false if it fails, having shown what it said.
run_test() {
	local file=$1 out=$work/out passed status=0

	{
		printf 'BEGIN;\nSELECT pg_current_xact_id() AS transaction \\gset\n'
		printf '\\i %s\n\\i %s\n' "$(quote "$work/load.sql")" "$(quote "$file")"
		# whatever it did to that transaction
		printf '\\o /dev/null\nROLLBACK;\n\\o\n'
		cat <<-'SQL'
			SELECT 'Bail out!  The test has committed.'
			WHERE pg_xact_status(:'transaction'::xid8) = 'committed';
		SQL
	} >"$work/test.sql"
	PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=error" \
		run_psql ${TEST_DATABASE:+-d "$TEST_DATABASE"} -f "$work/test.sql" >"$out" 2>&1 || status=$?
	! grep -q '^Bail out!' "$out" ||
		die "$(basename "$file") has committed what it was to try: take COMMIT out of it, and deploy what is right"
	if ((status == 0)) && passed=$(check_tap <"$out"); then
		say "$(basename "$file") .. ok, $passed passed"
		return
	fi
	say "$(basename "$file") .. failed"
	sed 's/^/    /' "$out" >&2
	return 1
}

workflows=("$directory"/workflows/*.json)
tests=("$directory"/test/*.sql)
((${#workflows[@]})) || die "there is no workflow in $directory/workflows"
((${#tests[@]})) || say "there is no test in $directory/test"

write_load >"$work/load.sql"
failed=0
for file in "${tests[@]}"; do
	run_test "$file" || failed=$((failed + 1))
done
((failed == 0)) || die "$failed of ${#tests[@]} tests failed: nothing was deployed"
run_psql --single-transaction -f "$work/load.sql" || die "nothing was deployed"
