#!/usr/bin/env bash
#
# Checks the tree without running it; shows everything it finds, then fails if that is anything.

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

failures=0

# check WHAT COMMAND ...: the command is silent and succeeds when all is well.
check() {
	local what=$1

	shift
	"$@" || {
		say "$what: see above"
		failures=$((failures + 1))
	}
}

# What it takes wrongly for an error is marked in the source: "cppcheck-suppress", and why.
static_analysis() {
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--library=dev/cppcheck_postgres.cfg -j"$(nproc)" -I src src exporter
}

shell_scripts() {
	git grep -lzE --untracked '^(#!.*bash$|# shellcheck shell=)' -- ':!*.md' | xargs -0 shellcheck -x
}

spelling() {
	git ls-files -z --cached --others --exclude-standard | xargs -0 codespell -L isnt
}

# Past that, two things live in one file.
file_length() {
	! find src test exporter sql \( -name '*.[ch]' -o -path 'sql/*.sql' \) -exec awk 'END { if (NR > 800) print FILENAME ": " NR " lines, of at most 800" }' {} \; |
		grep .
}

# The core computes; time, chance and what it knows of the world come in with the event. (A header of
# constants, catalog/pg_..._d.h, knows nothing of it.)
pure_core() {
	! grep -nE -e '^#include "(executor/spi|catalog/|access/xact|(api|engine|store|test_kit|worker)/)' \
		-e '\<(GetCurrent\w*Timestamp|GetCurrentTimeUsec|clock_gettime|gettimeofday|time|pg_\w*random|pg_prng_\w*|random)\(' \
		src/machine/*.[ch] | grep -v '"catalog/pg_[a-z_]*_d\.h"'
}

check 'static analysis' static_analysis
check 'shell scripts' shell_scripts
check 'spelling' spelling
check 'format (make format)' dev/format.pl --check
check 'length of files' file_length
check 'purity of src/machine' pure_core
((failures == 0))
