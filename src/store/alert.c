/*
 * alert.c
 *		Rows of alerts, and of the rules that find them.
 *
 * Of a rule, an owner and a subject one alert is open at most: that is a unique index, so of sessions that find the same
 * at a time one opens it, and the others wait for that and see it.  A check does not resolve what another one saw that began later.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "engine/clock.h"
#include "machine/json.h"
#include "store/advisory_lock.h"
#include "store/alert.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define RULE_COLUMNS "r.name, coalesce(r.owner::oid, 0::oid), r.query, r.severity, r.description, r.hint, r.settings, r.enabled"

static OwStatement find_rule = {
	.sql = "SELECT " RULE_COLUMNS " FROM workflow.readable_alert_rule r WHERE r.name = $1",
	.argument_types = "text"
};

static OwStatement rules_of = {
	.sql = "SELECT " RULE_COLUMNS " FROM workflow.readable_alert_rule r WHERE r.owner = $1::regrole ORDER BY r.name",
	.argument_types = "oid"
};

static OwStatement insert_rule = {
	.sql =
	"INSERT INTO workflow.alert_rule (name, owner, query, severity, description, hint) VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (name) DO NOTHING",
	.argument_types = "text,regrole,text,text,text,text"
};

static OwStatement set_own_rule = {
	.sql =
	"UPDATE workflow.alert_rule SET enabled = $2, severity = coalesce($3, severity)"
	" WHERE name = $1 AND query IS NOT NULL",
	.argument_types = "text,boolean,text"
};

static OwStatement set_rule = {
	.sql =
	"INSERT INTO workflow.alert_rule AS r (name, owner, enabled, severity, settings) VALUES ($1, $4, $2, $3, $5)"
	" ON CONFLICT (name) DO UPDATE"
	" SET enabled = $2, severity = coalesce($3, r.severity), settings = r.settings || $5, owner = $4",
	.argument_types = "text,boolean,text,regrole,jsonb"
};

static OwStatement delete_rule = {
	.sql = "DELETE FROM workflow.alert_rule WHERE name = $1 AND query IS NOT NULL",
	.argument_types = "text"
};

static OwStatement resolve_rule = {
	.sql =
	"UPDATE workflow.alert SET resolved_at = $2"
	" WHERE resolved_at IS NULL AND (rule = $1 OR (rule = 'RuleFailed' AND subject = $1))",
	.argument_types = "text,timestamptz"
};

static OwStatement note_found = {
	.sql =
	"INSERT INTO workflow.alert AS a (rule, owner, subject, workflow, severity, since, opened_at, last_seen_at, checked_at,"
	"       message, facts, hint)"
	" SELECT DISTINCT ON (f.rule, f.owner, f.subject) f.rule, f.owner, f.subject, f.workflow, r.severity,"
	"        coalesce(f.since, $3), $3, $3, $4, coalesce(f.message, concat(f.rule, ': ', f.subject)), coalesce(f.facts, '{}'),"
	"        coalesce(f.hint, r.hint)"
	"   FROM jsonb_to_recordset($1) AS f (rule text, owner regrole, subject text, workflow text, since timestamptz, message text,"
	"                                     facts jsonb, hint text)"
	"   JOIN workflow.readable_alert_rule r ON r.name = f.rule AND r.enabled"
	"  WHERE pg_has_role($2, f.owner, 'USAGE')"
	"  ORDER BY f.rule, f.owner, f.subject"
	" ON CONFLICT (rule, owner, subject) WHERE resolved_at IS NULL DO UPDATE"
	"    SET severity = excluded.severity, last_seen_at = excluded.last_seen_at,"
	"        checked_at = greatest(a.checked_at, excluded.checked_at), times_seen = a.times_seen + 1, message = excluded.message,"
	"        facts = excluded.facts, hint = excluded.hint"
	" RETURNING a.alert_id, a.rule, a.severity, a.times_seen = 1",
	.argument_types = "jsonb,oid,timestamptz,timestamptz"
};

static OwStatement resolve_others = {
	.sql =
	"UPDATE workflow.alert a SET resolved_at = $2"
	"  FROM (SELECT x.alert_id FROM workflow.alert x"
	"         WHERE x.resolved_at IS NULL AND x.checked_at < $3"
	"           AND CASE WHEN x.rule = 'RuleFailed' THEN x.owner = $1::regrole AND x.subject = ANY ($4)"
	"                    WHEN x.rule = ANY ($4) THEN x.owner = $1::regrole"
	"                    ELSE x.rule IN (SELECT r.name FROM workflow.readable_alert_rule r WHERE r.is_built_in)"
	"                         AND pg_has_role($1, x.owner, 'USAGE') END"
	"         ORDER BY x.rule, x.owner, x.subject FOR UPDATE) o"
	" WHERE a.alert_id = o.alert_id AND a.resolved_at IS NULL AND a.checked_at < $3"
	" RETURNING a.alert_id, a.rule, a.severity",
	.argument_types = "oid,timestamptz,timestamptz,text[]"
};

static OwStatement expire = {
	.sql = "DELETE FROM workflow.alert WHERE resolved_at < $2 - $3 AND pg_has_role($1, owner, 'USAGE')",
	.argument_types = "oid,timestamptz,interval"
};

static OwStatement find_alert = {
	.sql = "SELECT owner::oid, resolved_at IS NULL FROM workflow.alert WHERE alert_id = $1",
	.argument_types = "uuid"
};

static OwStatement acknowledge = {
	.sql =
	"UPDATE workflow.alert SET acknowledged_at = $2, acknowledged_by = $3, note = $4"
	" WHERE alert_id = $1 AND resolved_at IS NULL",
	.argument_types = "uuid,timestamptz,text,text"
};

static Datum
text_or_null(const char *value, char *null)
{
	*null = value ? ' ' : 'n';
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

/* ---- rules ---- */

static void
read_rule(uint64 row, OwAlertRule *rule)
{
	rule->name = ow_store_text(row, 1);
	rule->owner = (Oid) ow_store_int(row, 2);
	rule->query = ow_store_text(row, 3);
	rule->severity = ow_store_text(row, 4);
	rule->description = ow_store_text(row, 5);
	rule->hint = ow_store_text(row, 6);
	rule->settings = ow_store_jsonb(row, 7);
	rule->enabled = ow_store_bool(row, 8);
}

bool
ow_alert_rule_find(const char *name, OwAlertRule *rule)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&find_rule, values, NULL) > 0;
	if (found)
		read_rule(0, rule);
	ow_store_close();
	return found;
}

int
ow_alert_rules_of(Oid owner, OwAlertRule **rules)
{
	Datum		values[1] = {ObjectIdGetDatum(owner)};
	MemoryContext context = CurrentMemoryContext;
	int			count;

	ow_store_open();
	count = (int) ow_store_execute(&rules_of, values, NULL);
	*rules = MemoryContextAlloc(context, sizeof(OwAlertRule) * Max(count, 1));
	for (int i = 0; i < count; i++)
		read_rule(i, &(*rules)[i]);
	ow_store_close();
	return count;
}

bool
ow_alert_rule_insert(const OwAlertRule *rule)
{
	char		nulls[7] = "      ";
	Datum		values[6] = {
		CStringGetTextDatum(rule->name), ObjectIdGetDatum(rule->owner), CStringGetTextDatum(rule->query),
		CStringGetTextDatum(rule->severity), text_or_null(rule->description, &nulls[4]), text_or_null(rule->hint, &nulls[5])
	};
	bool		inserted;

	ow_store_open();
	inserted = ow_store_execute(&insert_rule, values, nulls) > 0;
	ow_store_close();
	return inserted;
}

void
ow_alert_rule_set(const OwAlertRule *rule)
{
	char		nulls[6] = "     ";
	Datum		values[5] = {
		CStringGetTextDatum(rule->name), BoolGetDatum(rule->enabled), text_or_null(rule->severity, &nulls[2]),
		ObjectIdGetDatum(ow_store_owner()), JsonbPGetDatum(rule->settings)
	};

	ow_store_open();
	ow_store_execute(rule->query ? &set_own_rule : &set_rule, values, nulls);
	ow_store_close();
}

void
ow_alert_rule_delete(const char *name)
{
	Datum		values[2] = {CStringGetTextDatum(name), TimestampTzGetDatum(ow_clock_now())};

	ow_store_open();
	ow_store_execute(&delete_rule, values, NULL);
	ow_store_execute(&resolve_rule, values, NULL);
	ow_store_close();
}

/* ---- alerts ---- */

static void
read_change(uint64 row, OwAlertChange *change)
{
	change->alert_id = ow_store_uuid(row, 1);
	change->rule = ow_store_text(row, 2);
	change->severity = ow_store_text(row, 3);
}

static void
note(OwAlertCheck *check, MemoryContext context)
{
	Datum		values[4] = {
		JsonbPGetDatum(check->found), ObjectIdGetDatum(check->caller), TimestampTzGetDatum(ow_clock_now()),
		TimestampTzGetDatum(check->began_at)
	};
	uint64		rows = ow_store_execute(&note_found, values, NULL);

	check->opened = MemoryContextAlloc(context, sizeof(OwAlertChange) * Max(rows, 1));
	for (uint64 row = 0; row < rows; row++)
	{
		if (ow_store_bool(row, 4))
			read_change(row, &check->opened[check->nopened++]);
		else
			check->nstill_open++;
	}
}

static void
resolve(OwAlertCheck *check, MemoryContext context)
{
	Datum	   *names = palloc(sizeof(Datum) * Max(check->nchecked, 1));
	Datum		values[4] = {
		ObjectIdGetDatum(check->caller), TimestampTzGetDatum(ow_clock_now()), TimestampTzGetDatum(check->began_at)
	};

	for (int i = 0; i < check->nchecked; i++)
		names[i] = CStringGetTextDatum(check->checked[i]);
	values[3] = PointerGetDatum(construct_array(names, check->nchecked, TEXTOID, -1, false, TYPALIGN_INT));
	check->nresolved = (int) ow_store_execute(&resolve_others, values, NULL);
	check->resolved = MemoryContextAlloc(context, sizeof(OwAlertChange) * Max(check->nresolved, 1));
	for (int row = 0; row < check->nresolved; row++)
		read_change(row, &check->resolved[row]);
}

void
ow_alert_note(OwAlertCheck *check)
{
	MemoryContext context = CurrentMemoryContext;

	/*
	 * what one opens another may resolve, and the other way round: so they write one after the
	 * other
	 */
	ow_advisory_lock(OW_LOCK_ALERTS, 0, 0, ExclusiveLock);
	ow_store_open();
	note(check, context);
	resolve(check, context);
	ow_store_close();
}

void
ow_alert_expire(Oid caller, Datum keep)
{
	Datum		values[3] = {ObjectIdGetDatum(caller), TimestampTzGetDatum(ow_clock_now()), keep};

	ow_store_open();
	ow_store_execute(&expire, values, NULL);
	ow_store_close();
}

bool
ow_alert_find(const pg_uuid_t *alert_id, Oid *owner, bool *is_open)
{
	Datum		values[1] = {UUIDPGetDatum(alert_id)};
	bool		found;

	ow_store_open();
	found = ow_store_execute(&find_alert, values, NULL) > 0;
	if (found)
	{
		*owner = (Oid) ow_store_int(0, 1);
		*is_open = ow_store_bool(0, 2);
	}
	ow_store_close();
	return found;
}

void
ow_alert_acknowledge(const pg_uuid_t *alert_id, const char *by, const char *what)
{
	char		nulls[5] = "    ";
	Datum		values[4] = {
		UUIDPGetDatum(alert_id), TimestampTzGetDatum(ow_clock_now()), CStringGetTextDatum(by), text_or_null(what, &nulls[3])
	};

	ow_store_open();
	ow_store_execute(&acknowledge, values, nulls);
	ow_store_close();
}
