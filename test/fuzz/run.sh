#!/usr/bin/env bash
#
# Fuzzes definitions, inputs and results inside a stand-alone backend; see README.md here.
#
#   test/fuzz/run.sh SECONDS [FOLDER]   fuzz for so long; FOLDER has recorded cases to begin with
#   test/fuzz/run.sh FILE ...           run these cases once: what was found again
#   test/fuzz/run.sh coverage           which lines of src/machine all that was kept so far reaches
#
# Fails if anything was found. CLUSTER names the private cluster (fuzz), which keeps the corpus for the
# next run.

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../dev/common.sh"

readonly cluster=${CLUSTER:-fuzz}
build=$root/tmp/$cluster.build
max_len=8192

[[ $# -gt 0 && $1 != @(help|-h|--help) ]] || {
	usage
	exit
}

build_module() {
	make -C "$root/test/fuzz" -s --no-print-directory -j"$(nproc)" PG_CONFIG="$PG_CONFIG" BUILD="$build" "$@"
}

# The module lies beside the cluster's data, where the server's user can read it.
prepare() {
	cd "$root"
	install_extension
	build_module "$@"
	dev/cluster.sh start "$cluster"
	eval "$(dev/cluster.sh env "$cluster")"
	place=$(dirname "$PGDATA_PATH")
	install -m 755 "$build/order_workflow_fuzz.so" "$build/preload.so" "$place"
	dev/cluster.sh psql "$cluster" -Xqc 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS fuzz' \
		-c 'CREATE DATABASE fuzz'
	dev/cluster.sh psql "$cluster" -Xqd fuzz -c 'CREATE EXTENSION order_workflow'
	dev/cluster.sh stop "$cluster"
	rm -rf "$place/seeds" "$place/findings"
	mkdir -p "$place/seeds" "$place/corpus" "$place/findings"
	# the server's user writes there
	((EUID != 0)) || chown -R postgres: "$place/corpus" "$place/findings"
}

# Runs the backend with libFuzzer's arguments, the extension's functions taken from the module. (The
# server that made the database could not load it: the sanitizer has to be there first.)
fuzz() {
	local argument arguments='' module=$place/order_workflow_fuzz.so

	for argument; do
		arguments+="${arguments:+,}'$argument'"
	done
	"${as_server[@]}" env LD_PRELOAD="$(build_module sanitizer):$place/preload.so" FUZZ_FINDINGS="$place/findings" \
		LLVM_PROFILE_FILE="$place/coverage.profraw" \
		ASAN_OPTIONS=detect_leaks=0:handle_abort=1:detect_stack_use_after_return=0 \
		UBSAN_OPTIONS=print_stacktrace=1 \
		"$("$PG_CONFIG" --bindir)/postgres" --single -D "$PGDATA_PATH" -F -c shared_preload_libraries= \
		-c log_min_messages=error -c client_min_messages=error fuzz <<-SQL >/dev/null
			UPDATE pg_catalog.pg_proc SET probin = '$module' WHERE probin = '\$libdir/order_workflow'
			CREATE SCHEMA fuzz
			CREATE PROCEDURE fuzz.run(arguments text[]) LANGUAGE c AS '$module', 'fuzz_run'
			CALL fuzz.run(ARRAY[$arguments])
		SQL
}

report_findings() {
	local findings=("$place"/findings/*) status=$1

	[[ -e ${findings[0]} ]] || findings=()
	say "${#findings[@]} findings in $place/findings"
	((status == 0 && ${#findings[@]} == 0))
}

# The cases given, or all that was kept, each once.
run_files() {
	local file status=0

	prepare
	for file; do
		install -m 644 "$file" "$place/seeds"
	done
	fuzz -timeout=60 "${@/#*\//$place/seeds/}" || status=$?
	report_findings "$status"
}

run_for() {
	local status=0

	prepare
	test/fuzz/seeds.pl "$place/seeds" "${@:2}"
	fuzz "-max_total_time=$1" "-max_len=$max_len" -timeout=20 -rss_limit_mb=4096 \
		-print_final_stats=1 "-dict=$root/test/fuzz/asl.dict" "-artifact_prefix=$place/findings/" \
		"$place/corpus" "$place/seeds" || status=$?
	report_findings "$status"
}

# A build of its own, which counts.
show_coverage() {
	build+=.coverage
	prepare EXTRA_INSTRUMENT='-fprofile-instr-generate -fcoverage-mapping'
	((EUID != 0)) || chown postgres: "$place"
	fuzz -runs=0 "$place/corpus"
	llvm-profdata merge -o "$place/coverage.profdata" "$place/coverage.profraw"
	llvm-cov report "$build/order_workflow_fuzz.so" -instr-profile "$place/coverage.profdata" \
		-show-region-summary=false "$root/src/machine"
	llvm-cov show "$build/order_workflow_fuzz.so" -instr-profile "$place/coverage.profdata" "$root/src/machine" \
		>"$build/lines"
	say "the lines are in $build/lines"
}

case $1 in
coverage) show_coverage ;;
*[!0-9]*) run_files "$@" ;;
*) run_for "$@" ;;
esac
