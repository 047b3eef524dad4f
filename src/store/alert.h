/*
 * alert.h
 *		Rows of alerts, and of the rules that find them.
 */
#ifndef OW_ALERT_H
#define OW_ALERT_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct OwAlertRule
{
	char	   *name;
	Oid			owner;			/* InvalidOid: it comes with the extension */
	char	   *query;			/* NULL: likewise */
	char	   *severity;		/* NULL: as before */
	char	   *description;
	char	   *hint;
	Jsonb	   *settings;
	bool		enabled;
} OwAlertRule;

/* An alert that has just been opened or resolved */
typedef struct OwAlertChange
{
	pg_uuid_t	alert_id;
	char	   *rule;
	char	   *severity;
} OwAlertChange;

typedef struct OwAlertCheck
{
	Oid			caller;
	TimestampTz began_at;		/* by the real clock */
	Jsonb	   *found;			/* [{rule, owner, subject, workflow, since, message, facts, hint}] */
	const char **checked;		/* names of own rules of the caller's that were evaluated, or that
								 * find nothing */
	int			nchecked;
	OwAlertChange *opened;		/* OUT */
	int			nopened;
	int			nstill_open;
	OwAlertChange *resolved;
	int			nresolved;
} OwAlertCheck;

/* The rule; false when there is none */
extern bool ow_alert_rule_find(const char *name, OwAlertRule *rule);

/* All rules that the role has made: how many */
extern int	ow_alert_rules_of(Oid owner, OwAlertRule **rules);

/* False when the name is taken */
extern bool ow_alert_rule_insert(const OwAlertRule *rule);

/* Set settings (over those before), severity (NULL: as before) and enabled */
extern void ow_alert_rule_set(const OwAlertRule *rule);

/* Remove the rule, and resolve what it has found */
extern void ow_alert_rule_delete(const char *name);

/* Note what was found: open, see again, resolve */
extern void ow_alert_note(OwAlertCheck *check);

/* Remove what was resolved so long ago */
extern void ow_alert_expire(Oid caller, Datum keep);

/* The alert's owner, and whether it is open; false when there is none */
extern bool ow_alert_find(const pg_uuid_t *alert_id, Oid *owner, bool *is_open);
extern void ow_alert_acknowledge(const pg_uuid_t *alert_id, const char *by, const char *note);

#endif							/* OW_ALERT_H */
