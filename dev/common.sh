# shellcheck shell=bash
#
# What the scripts of this tree share; sourced, not run.
# shellcheck disable=SC2034 # these are for those who source it

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian keeps the pg_config of each version in that version's directory.
if [[ -z ${PG_CONFIG:-} ]]; then
	PG_CONFIG=pg_config
	if ! command -v pg_config >/dev/null && [[ -x /usr/lib/postgresql/15/bin/pg_config ]]; then
		PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
	fi
fi
export PG_CONFIG

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "$(basename "$0"): $*"
	exit 1
}

# Prints the comment a script opens with, as its help.
usage() {
	sed -n '3,/^[^#]/ { s/^# \{0,1\}//p }' "$0"
}

# In front of a command: runs it as the user a server may run as, since PostgreSQL refuses root. That
# user may not be able to read the current directory.
as_server=()
((EUID != 0)) || as_server=(env -C / runuser -u postgres --)

# Builds the extension as who we are and installs it as root.
install_extension() {
	local sudo=()

	[[ -w $("$PG_CONFIG" --pkglibdir) ]] || sudo=(sudo)
	make -C "$root" -s --no-print-directory -j"$(nproc)" all &&
		"${sudo[@]}" make -C "$root" -s --no-print-directory install PG_CONFIG="$PG_CONFIG" >/dev/null
}
