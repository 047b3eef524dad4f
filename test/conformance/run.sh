#!/usr/bin/env bash
#
# Runs conformance cases on a private cluster, with the extension as it is in this tree.
#
#   test/conformance/run.sh FOLDER        (make conformance CASES=FOLDER)
#
# VERBOSE=1 shows what differs in each failed case, ONLY=TEXT takes cases whose id or features have it.
# CLUSTER names the cluster (conformance), which stays for the next run.

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../dev/common.sh"

[[ -d ${1:-} ]] || die "name the folder with the cases: make conformance CASES=FOLDER"
cases=$(realpath "$1")
cluster=${CLUSTER:-conformance}

# The system's Python: another one may lack psycopg2.
python=/usr/bin/python3
"$python" -c 'import psycopg2' 2>/dev/null || die "install python3-psycopg2 (dev/install_packages.sh test)"

cd "$root"
mkdir -p tmp
exec 9>tmp/build.lock
flock 9
install_extension
dev/cluster.sh start "$cluster" 9>&-
exec 9>&-
connection=$(dev/cluster.sh env "$cluster")
eval "$connection"

psql=$("$PG_CONFIG" --bindir)/psql
"$psql" -Xq -v ON_ERROR_STOP=1 -d postgres <<-'SQL'
	SET client_min_messages = warning;
	DROP DATABASE IF EXISTS conformance WITH (FORCE);
	CREATE DATABASE conformance;
	\connect conformance
	SET client_min_messages = warning;
	CREATE EXTENSION order_workflow_test CASCADE;
	CREATE FUNCTION never_called(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'; -- tests mock it
SQL
PGDATABASE=conformance PYTHONDONTWRITEBYTECODE=1 "$python" test/conformance/conformance.py "$cases"
