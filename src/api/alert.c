/*
 * alert.c
 *		SQL-callable: rules of alerts, and looking after one.
 */
#include "postgres.h"

#include "api/alert.h"
#include "api/api.h"
#include "fmgr.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/store.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(ow_create_alert_rule);
PG_FUNCTION_INFO_V1(ow_drop_alert_rule);
PG_FUNCTION_INFO_V1(ow_set_alert_rule);
PG_FUNCTION_INFO_V1(ow_acknowledge_alert);

static char *
severity_argument(FunctionCallInfo fcinfo, int argument, const char *otherwise)
{
	static const char *const known[] = {"Critical", "Warning", "Info"};
	char	   *severity = ow_api_optional_text(fcinfo, argument);

	if (severity == NULL)
		return otherwise ? pstrdup(otherwise) : NULL;
	for (int i = 0; i < (int) lengthof(known); i++)
		if (strcmp(known[i], severity) == 0)
			return severity;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown severity \"%s\"", severity),
			 errhint("Severities are Critical, Warning and Info.")));
	return NULL;
}

static void
report_no_rule(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no alert rule \"%s\"", name),
			 errhint("workflow.alert_rules has those there are.")));
}

/* The rule of that name; one of somebody else is none. */
static void
find_rule(const char *name, OwAlertRule *rule)
{
	if (!ow_alert_rule_find(name, rule) ||
		(OidIsValid(rule->owner) && !has_privs_of_role(GetUserId(), rule->owner)))
		report_no_rule(name);
}

/* create_alert_rule(name text, query text, severity text, description text, hint text) */
Datum
ow_create_alert_rule(PG_FUNCTION_ARGS)
{
	OwAlertRule rule = {.owner = GetUserId()};
	OwAlertRule taken;

	PreventCommandIfReadOnly("workflow.create_alert_rule()");
	rule.name = ow_api_text(fcinfo, 0, "name");
	ow_api_check_name("an alert rule", rule.name);
	rule.query = ow_api_text(fcinfo, 1, "query");
	rule.severity = severity_argument(fcinfo, 2, "Warning");
	rule.description = ow_api_optional_text(fcinfo, 3);
	rule.hint = ow_api_optional_text(fcinfo, 4);
	ow_alert_query_check(rule.query);
	if (ow_alert_rule_find(rule.name, &taken) || !ow_alert_rule_insert(&rule))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("there is an alert rule \"%s\" already", rule.name)));
	PG_RETURN_VOID();
}

/* drop_alert_rule(name text) */
Datum
ow_drop_alert_rule(PG_FUNCTION_ARGS)
{
	char	   *name = ow_api_text(fcinfo, 0, "name");
	OwAlertRule rule;

	PreventCommandIfReadOnly("workflow.drop_alert_rule()");
	find_rule(name, &rule);
	if (!OidIsValid(rule.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alert rule \"%s\" comes with the extension", name),
				 errhint("workflow.set_alert_rule(…, enabled => false) lets it find nothing.")));
	ow_alert_rule_delete(name);
	PG_RETURN_VOID();
}

/* Only what the rule has can be set, to numbers. */
static Jsonb *
settings_argument(FunctionCallInfo fcinfo, int argument, const OwAlertRule *rule)
{
	Jsonb	   *settings = ow_api_optional_jsonb(fcinfo, argument);
	OwJsonMembers members;
	JsonbValue	object;
	JsonbValue	value;
	JsonbValue	known;
	char	   *key;

	if (settings == NULL)
		return ow_json_empty_object();
	ow_json_as_value(settings, &object);
	if (!ow_json_value_is_object(&object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("settings must be an object, not %s", ow_json_type_phrase(&object))));
	ow_json_members_begin(&members, &object);
	while (ow_json_members_next(&members, &key, &value))
	{
		if (!ow_json_member(rule->settings, key, &known))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("alert rule \"%s\" has no setting \"%s\"", rule->name, key),
					 errdetail("Its settings are: %s.", ow_json_to_cstring(rule->settings))));
		if (value.type != jbvNumeric || ow_json_value_double(&value) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("setting \"%s\" of alert rule \"%s\" must be a number that is not negative", key, rule->name)));
	}
	return settings;
}

/* set_alert_rule(name text, settings jsonb, enabled boolean, severity text) */
Datum
ow_set_alert_rule(PG_FUNCTION_ARGS)
{
	OwAlertRule rule;

	PreventCommandIfReadOnly("workflow.set_alert_rule()");
	find_rule(ow_api_text(fcinfo, 0, "name"), &rule);
	if (!OidIsValid(rule.owner) && !has_privs_of_role(GetUserId(), ow_store_owner()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be a member of the extension's owner to set alert rule \"%s\"", rule.name)));
	rule.settings = settings_argument(fcinfo, 1, &rule);
	if (!PG_ARGISNULL(2))
		rule.enabled = PG_GETARG_BOOL(2);
	rule.severity = severity_argument(fcinfo, 3, NULL);
	ow_alert_rule_set(&rule);
	PG_RETURN_VOID();
}

/* acknowledge_alert(alert_id uuid, note text) RETURNS boolean */
Datum
ow_acknowledge_alert(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *alert_id = ow_api_uuid(fcinfo, 0, "alert_id");
	Oid			owner;
	bool		is_open;

	PreventCommandIfReadOnly("workflow.acknowledge_alert()");
	if (!ow_alert_find(alert_id, &owner, &is_open) || !has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no alert %s", ow_api_uuid_text(alert_id)),
				 errdetail("Or it is not yours.")));
	if (is_open)
		ow_alert_acknowledge(alert_id, ow_api_role_name(GetUserId()), ow_api_optional_text(fcinfo, 1));
	PG_RETURN_BOOL(is_open);
}
