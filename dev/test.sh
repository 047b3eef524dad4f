#!/usr/bin/env bash
#
# Builds and installs the extension and runs its tests on a private cluster.
#
#   dev/test.sh                     every suite, on a new cluster that is gone afterwards
#   dev/test.sh SUITE [FILE ...]    one suite, or these files of it; the cluster stays for the next run
#
# The suites:
#   regress     test/sql/*.sql              psql's output, compared with expected/
#   isolation   test/isolation/specs/*      races between sessions
#   pgtap       test/pgtap/*.sql            behaviour; in a database that has pgtap and the test kit
#   tap         test/t/*.pl                 whole clusters: restarts, crashes, promotion
# The first two run in a database that has order_workflow: those of regress one after the other in
# the same, each of isolation in a new one, as it may leave runs behind that others would see. A test
# may leave databases and roles behind: each suite, and each of isolation, starts without them.
#
# The last line counts regression and isolation tests and pgTAP and TAP assertions: "N passed, N
# failed". A test that does not run to its end counts as failed, and so does a server that crashes.
# What the tests wrote is in tmp/CLUSTER.out, to be copied to expected/ when it is right.
#
# CLUSTER       name of the cluster (test); give each concurrent run its own
# TEST_TIMEOUT  seconds for regress, or for one file of the other suites (600)

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly cluster=${CLUSTER:-test} limit=${TEST_TIMEOUT:-600}
readonly results=$root/tmp/$cluster.out
readonly all=(regress isolation pgtap tap)
declare -rA pattern=(
	[regress]='test/sql/*.sql'
	[isolation]='test/isolation/specs/*.spec'
	[pgtap]='test/pgtap/*.sql'
	[tap]='test/t/*.pl'
)
passed=0
failed=0

case ${1:-} in
'') ;;
regress | isolation | pgtap | tap) ;;
help | -h | --help)
	usage
	exit
	;;
*) die "unknown suite \"$1\"; see dev/test.sh help" ;;
esac

cd "$root"
bindir=$("$PG_CONFIG" --bindir)
pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
readonly bindir pgxs

# One run at a time: all share the tree and the server's directories. The server must not inherit the
# lock.
prepare() {
	local connection

	mkdir -p tmp
	exec 9>tmp/build.lock
	flock 9
	install_extension && dev/cluster.sh start "$cluster" 9>&- || return
	exec 9>&-
	connection=$(dev/cluster.sh env "$cluster") && eval "$connection"
}

run_psql() {
	"$bindir/psql" -XqAt -v ON_ERROR_STOP=1 "$@"
}

# Drops what earlier tests left.
sweep() {
	run_psql <<-'SQL'
		SELECT format('DROP DATABASE %I WITH (FORCE)', datname)
		FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1') \gexec
		SELECT format('DROP OWNED BY %1$I; DROP ROLE %1$I', rolname)
		FROM pg_roles WHERE rolname <> 'postgres' AND NOT starts_with(rolname, 'pg_') \gexec
	SQL
}

# count PASSED FAILED LOG: takes them into account, and shows the log if anything failed.
count() {
	suite_passed=$((suite_passed + $1))
	suite_failed=$((suite_failed + $2))
	(($2 == 0)) || grep -v '^ok ' "$3" || true
}

# Runs a command with its output in a log, but not for ever: logged LOG COMMAND ...
logged() {
	local log=$1 status=0

	shift
	timeout "$limit" "$@" >"$log" 2>&1 || status=$?
	((status != 124)) || echo "still running after $limit seconds: $*" >>"$log"
	return "$status"
}

# Runs pg_regress or its like, in a new database: run_regress RUNNER DIRECTORY LOG FILE ...
run_regress() {
	local runner=$1 directory=$2 out=$results/$suite log=$results/$suite/$3 names ok status=0

	shift 3
	names=("${@##*/}")
	mkdir -p "$out"
	logged "$log" "$runner" --bindir="$bindir" --inputdir="$directory" --outputdir="$out" \
		--dbname="$suite" --load-extension=order_workflow "${names[@]%.*}" || status=$?
	ok=$(grep -cE '^test .* \.\.\. ok ' "$log" || true)
	[[ ! -s $out/regression.diffs ]] || mv "$out/regression.diffs" "$log"
	count "$ok" $(((status && ok == $#) ? 1 : $# - ok)) "$log"
}

# Runs one file of TAP assertions: run_tap FILE COMMAND ...
run_tap() {
	local log not_ok status=0

	log=$results/$suite/$(basename "$1").log
	mkdir -p "$results/$suite"
	shift
	logged "$log" "$@" || status=$?
	not_ok=$(grep -E '^not ok ' "$log" | grep -vci '# todo' || true)
	count "$(grep -E '^ok ' "$log" | grep -vci '# skip' || true)" \
		$(((status && !not_ok) ? 1 : not_ok)) "$log"
}

run_suite_regress() {
	run_regress "$pgxs/src/test/regress/pg_regress" test log "$@"
}

run_suite_isolation() {
	local file

	for file; do
		sweep && run_regress "$pgxs/src/test/isolation/pg_isolation_regress" test/isolation \
			"$(basename "$file" .spec).log" "$file" || return
	done
}

run_suite_pgtap() {
	local file

	run_psql -c 'CREATE DATABASE pgtap' &&
		run_psql -d pgtap -c 'SET client_min_messages = warning' \
			-c 'CREATE EXTENSION order_workflow_test CASCADE' || return
	for file; do
		run_tap "$file" pg_prove --psql-bin "$bindir/psql" --dbname pgtap --verbose "$file"
	done
}

# These start servers, so not as root, and not in a tree that the servers' user may not see.
run_suite_tap() {
	local file work before

	work=$(mktemp -d /tmp/order_workflow.tap.XXXXXX)
	cp -R test/t test/pgtap test/sql examples doc README.md "$work"
	find src -name '*.[ch]' -exec cp --parents -t "$work" {} +
	((EUID != 0)) || chown -R postgres: "$work"
	for file; do
		before=$suite_failed
		run_tap "$file" "${as_server[@]}" env PATH="$bindir:$PATH" TESTDIR="$work" \
			PG_REGRESS="$pgxs/src/test/regress/pg_regress" \
			prove --verbose -I "$pgxs/src/test/perl" -I "$work/t" "$work/t/$(basename "$file")"
		((suite_failed == before)) ||
			tail -n 30 "$work/tmp_check/log/regress_log_$(basename "$file" .pl)" || true
	done
	# Servers whose test was killed before it could stop them.
	"${as_server[@]}" find "$work" -name postmaster.pid \
		-execdir "$bindir/pg_ctl" -s -m immediate -D . stop \; || true
	((suite_failed == 0)) || cp -R "$work/tmp_check/log" "$results/tap" || true
	rm -rf "$work"
}

# Shows what the server's log has from line $1 on about a crash; false if there was none.
crashed() {
	tail -n "+$1" "$PGDATA_PATH/../log" | grep -E ' was terminated by signal |PANIC: |^TRAP: '
}

# run_suite SUITE FILE ...
run_suite() {
	local suite=$1 suite_passed=0 suite_failed=0 line

	shift
	rm -rf "${results:?}/$suite"
	line=$(($(wc -l <"$PGDATA_PATH/../log") + 1))
	{ sweep && "run_suite_$suite" "$@"; } || count 0 1 /dev/null
	! crashed "$line" || count 0 1 /dev/null
	say "$suite: $suite_passed ok, $suite_failed not ok"
	passed=$((passed + suite_passed))
	failed=$((failed + suite_failed))
}

# Lists the files of a suite that are named, by path or by name alone, else all of them.
list_files() {
	local suite=$1 file

	shift
	(($#)) || compgen -G "${pattern[$suite]}" | sort
	for file; do
		file=$(basename "$file")
		echo "${pattern[$suite]/\*/${file%.*}}"
	done
}

run() {
	local suite files

	prepare || return
	for suite in "${suites[@]}"; do
		mapfile -t files < <(list_files "$suite" "$@")
		((!${#files[@]})) || run_suite "$suite" "${files[@]}"
	done
}

if (($#)); then
	suites=("$1")
	shift
else
	suites=("${all[@]}")
	dev/cluster.sh destroy "$cluster"
	trap 'dev/cluster.sh destroy "$cluster"' EXIT
fi
run "$@" || failed=$((failed + 1))
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
