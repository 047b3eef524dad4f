#!/usr/bin/env bash
#
# Installs the Debian 12 packages that are missing, as root or through sudo.
#
#   dev/install_packages.sh [demo] [test] [lint] [fuzz]     (test, if none is named)
#
#   demo   a server, and what it takes to build and install the extension, with its exporter
#   test   that, and what the test suites run on
#   lint   what "make lint" and "make format" call
#   fuzz   a server, clang with its sanitizers and libFuzzer, and its tools
#
# Does nothing when they are all there. A server that comes new gets no system cluster: none is
# needed, and none is left running. So it is with Prometheus: no service is started, now or at boot.

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Left out where they clash with what is there, as node-pg and npm do with a nodejs that is not Debian's; the
# tests that need them say so and do without.
optional=()
demo=(build-essential postgresql-15 postgresql-server-dev-15 libpq-dev libmicrohttpd-dev)
packages=()
for purpose in "${@:-test}"; do
	case $purpose in
	demo) packages+=("${demo[@]}") ;;
	test)
		packages+=("${demo[@]}" postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl libipc-run-perl
			postgresql-15-cron python3-psycopg2 python3-jsonschema graphviz curl prometheus)
		optional+=(nodejs node-pg npm)
		;;
	fuzz) packages+=("${demo[@]}" clang libclang-rt-14-dev llvm) ;;
	lint) packages+=(cppcheck pg-bsd-indent shellcheck codespell) ;;
	help | -h | --help)
		usage
		exit
		;;
	*) die "unknown purpose \"$purpose\"; see dev/install_packages.sh help" ;;
	esac
done

is_installed() {
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

can_install() {
	apt-get install -s --no-install-recommends "$@" >/dev/null 2>&1
}

missing=()
for package in "${packages[@]}"; do
	is_installed "$package" || missing+=("$package")
done
extra=()
for package in "${optional[@]}"; do
	is_installed "$package" || extra+=("$package")
done
((${#missing[@]})) || { ((${#extra[@]})) && can_install "${extra[@]}"; } || exit 0

as_root=()
((EUID == 0)) || as_root=(sudo)
[[ ${#as_root[@]} == 0 || -n $(command -v sudo) ]] || die "become root to install: ${missing[*]} ${extra[*]}"

temporary=()
trap '((!${#temporary[@]})) || "${as_root[@]}" rm -f "${temporary[@]}"' EXIT

# The server's package looks here whether to create a cluster.
no_cluster=/etc/postgresql-common/createcluster.d/order_workflow.conf
if ! is_installed postgresql-15; then
	temporary+=("$no_cluster")
	"${as_root[@]}" mkdir -p "$(dirname "$no_cluster")"
	"${as_root[@]}" tee "$no_cluster" >/dev/null <<<'create_main_cluster = false'
fi
# And every package here whether to start its service: 101 is no.
no_service=/usr/sbin/policy-rc.d
if [[ ! -e $no_service ]]; then
	temporary+=("$no_service")
	"${as_root[@]}" tee "$no_service" >/dev/null <<<$'#!/bin/sh\nexit 101'
	"${as_root[@]}" chmod 755 "$no_service"
fi
at_boot=/etc/systemd/system/multi-user.target.wants/prometheus.service
is_installed prometheus || temporary+=("$at_boot")
"${as_root[@]}" apt-get update -q
can_install "${missing[@]}" "${extra[@]}" || extra=()
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
	apt-get install -qy --no-install-recommends "${missing[@]}" "${extra[@]}"
