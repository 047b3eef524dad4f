#!/usr/bin/env bash
#
# Writes src/engine/sqlstate_names.h: the condition name of each SQLSTATE, from PostgreSQL's own list.
#
#   dev/gen_sqlstate_names.sh [errcodes.txt] > src/engine/sqlstate_names.h

set -euo pipefail

list=${1:-$("${PG_CONFIG:-pg_config}" --sharedir)/errcodes.txt}

cat <<'HEAD'
/*
 * sqlstate_names.h
 *		Condition names of SQLSTATEs, as PL/pgSQL's EXCEPTION knows them.
 *
 * Made by dev/gen_sqlstate_names.sh from PostgreSQL's errcodes.txt.  Included by activity.c only.
 */
#ifndef OW_SQLSTATE_NAMES_H
#define OW_SQLSTATE_NAMES_H

static const struct
{
	char		sqlstate[6];
	const char *name;
}			sqlstate_names[] = {
HEAD

# SQLSTATE, E(rror) W(arning) or S(uccess), macro, condition name. A code's first name counts.
awk 'length($1) == 5 && $1 ~ /^[0-9A-Z]+$/ && $2 == "E" && $4 != "" && !seen[$1]++ {
	printf "\t{\"%s\", \"%s\"},\n", $1, $4
}' "$list" | LC_ALL=C sort

cat <<'TAIL'
};

#endif							/* OW_SQLSTATE_NAMES_H */
TAIL
