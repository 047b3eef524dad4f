#!/usr/bin/env bash
#
# A private, throw-away PostgreSQL cluster with order_workflow preloaded.
#
#   dev/cluster.sh start NAME [-c setting=value ...]
#       Creates the cluster if it is not there and starts it. It then runs with the settings below
#       and exactly those given here; a running one is restarted only if they, or the installed
#       library, have changed. The extension must have been installed (make install).
#   dev/cluster.sh env NAME
#       Prints exports of PGHOST, PGPORT, PGUSER, PGDATABASE and PGDATA_PATH, for
#       eval "$(dev/cluster.sh env NAME)"
#   dev/cluster.sh psql NAME [argument ...]
#   dev/cluster.sh stop NAME
#   dev/cluster.sh destroy NAME
#
# It lives in tmp/NAME: the data directory, the server's log and the socket, which only its owner can
# reach; there is no TCP unless asked for with -c listen_addresses=localhost. Where the server's user
# cannot get to the tree, or its path is too long for a socket, tmp/NAME is a link into /tmp.

set -euo pipefail
# shellcheck source=dev/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ ${1:-help} == @(help|-h|--help) ]]; then
	usage
	exit
fi

readonly command=$1 name=${2:-}
shift
[[ $name =~ ^[A-Za-z0-9_-]+$ ]] || die "a cluster's name is made of letters, digits, - and _"
shift

bindir=$("$PG_CONFIG" --bindir)
library=$("$PG_CONFIG" --pkglibdir)/order_workflow.so
place=$root/tmp/$name
# A number of its own, so that clusters can also listen on TCP side by side.
port=$((20000 + $(cksum <<<"$place" | cut -d ' ' -f 1) % 10000))
readonly bindir library place port

# The directory behind tmp/NAME, followed only once it exists.
home() {
	readlink -f "$place"
}

is_running() {
	[[ -d $place ]] && "${as_server[@]}" "$bindir/pg_ctl" -D "$(home)/data" status >/dev/null 2>&1
}

stop() {
	! is_running || "${as_server[@]}" "$bindir/pg_ctl" -D "$(home)/data" -m "$1" -s stop
}

# A directory the server's user can get to and whose path leaves room for a socket (107 bytes).
make_place() {
	local socket=$place/.s.PGSQL.$port

	rm -f "$place" # a link whose target is gone
	mkdir -p "$place"
	if ((${#socket} > 107)) || ! "${as_server[@]}" test -x "$place"; then
		rmdir "$place"
		ln -s "$(mktemp -d "/tmp/order_workflow.$name.XXXXXX")" "$place"
	fi
	((EUID != 0)) || chown postgres: "$(home)"
	chmod 700 "$(home)"
}

create() {
	[[ -d $place ]] || make_place
	"${as_server[@]}" "$bindir/initdb" -D "$(home)/data" -U postgres -A trust \
		--encoding=UTF8 --locale=C.UTF-8 >/dev/null
	"${as_server[@]}" tee -a "$(home)/data/postgresql.conf" >/dev/null <<<"include 'cluster.conf'"
}

# Prints the configuration: ours, then what was asked for.
configuration() {
	local quote="'" setting

	cat <<-CONF
		port = $port
		listen_addresses = ''
		unix_socket_directories = '$(home)'
		shared_preload_libraries = 'order_workflow'
		max_worker_processes = 32
		max_prepared_transactions = 10
		fsync = on
		synchronous_commit = on
		restart_after_crash = on
		timezone = 'UTC'
		log_line_prefix = '%m [%p] %b %q%u@%d '
	CONF
	while (($#)); do
		[[ $1 == -c && ${2:-} == ?*=* ]] || die "expected -c setting=value, not \"$*\""
		setting=${2#*=}
		setting=${setting//\\/\\\\}
		printf "%s = '%s'\n" "${2%%=*}" "${setting//$quote/$quote$quote}"
		shift 2
	done
	# A comment, but one that changes with the library, which is loaded at start only.
	echo "# $(cksum <"$library")"
}

start() {
	local wanted conf

	[[ -e $library ]] || die "order_workflow is not installed: run \"make install\" first"
	[[ -e $place/data/postgresql.conf ]] || create
	conf=$(home)/data/cluster.conf
	wanted=$(configuration "$@")
	if is_running; then
		[[ $wanted != "$(cat "$conf")" ]] || return 0
		stop fast
	fi
	"${as_server[@]}" tee "$conf" >/dev/null <<<"$wanted"
	if ! "${as_server[@]}" "$bindir/pg_ctl" -D "$(home)/data" -l "$(home)/log" -s -w start </dev/null; then
		tail -n 20 "$(home)/log" >&2
		die "the server did not start; its log is $(home)/log"
	fi
}

environment() {
	[[ -e $place/data/cluster.conf ]] || die "there is no cluster \"$name\": start it first"
	printf 'export PGHOST=%q PGPORT=%q PGUSER=postgres PGDATABASE=postgres PGDATA_PATH=%q\n' \
		"$(home)" "$(sed -n 's/^port = //p' "$(home)/data/cluster.conf" | tail -n 1 | tr -d "'")" \
		"$(home)/data"
}

case $command in
start)
	start "$@"
	;;
env)
	environment
	;;
psql)
	eval "$(environment)"
	exec "$bindir/psql" "$@"
	;;
stop)
	stop fast
	;;
destroy)
	stop immediate
	[[ ! -d $place ]] || rm -rf "$(home)"
	rm -f "$place"
	;;
*)
	die "unknown command \"$command\"; see $0 help"
	;;
esac
