#!/usr/bin/env bash
#
# Draws the pictures of doc/: the saga of examples/order_processing.
#
#   dev/pictures.sh     writes doc/order_saga.dot, as workflow.describe() gives it, and doc/order_saga.svg
#
# Builds and installs the extension first, and uses a private cluster that is gone afterwards. A test
# tells when the pictures are out of date.

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ ${1:-} == @(help|-h|--help) ]]; then
	usage
	exit
fi
cd "$root"
command -v dot >/dev/null || dev/install_packages.sh test
install_extension
trap 'dev/cluster.sh destroy pictures' EXIT
dev/cluster.sh start pictures

# describe WORKFLOW FILE
describe() {
	dev/cluster.sh psql pictures -XqAt -v ON_ERROR_STOP=1 -v workflow="$1" >"$2" <<-'SQL'
		SET client_min_messages = error;
		BEGIN;
		CREATE EXTENSION order_workflow;
		\o /dev/null
		\i examples/order_processing/definitions.sql
		\o
		SELECT workflow.describe(:'workflow', format => 'dot');
		ROLLBACK;
	SQL
}

describe OrderSaga doc/order_saga.dot
dot -Tsvg -o doc/order_saga.svg doc/order_saga.dot
