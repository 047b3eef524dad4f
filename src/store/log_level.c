/*
 * log_level.c
 *		Which events of runs are written to the server's log: order_workflow.log_events, and what a workflow has instead,
 *		workflow.workflow_type.log_events, which catalog.c reads.
 */
#include "postgres.h"

#include "store/catalog.h"
#include "store/log_level.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#define DEFAULT_LEVEL "failures"

int			ow_log_kinds;
static char *level_setting;

static const struct
{
	const char *name;
	int			kinds;
}			levels[] = {
	{"none", 0},
	{"failures", OW_LOG_FAILURES},
	{"closes", OW_LOG_CLOSES},
	{"starts", OW_LOG_STARTS},
	{"retries", OW_LOG_RETRIES},
	{"compensations", OW_LOG_COMPENSATIONS},
	{"requests", OW_LOG_REQUESTS},
	{"all", OW_LOG_FAILURES | OW_LOG_CLOSES | OW_LOG_STARTS | OW_LOG_RETRIES | OW_LOG_COMPENSATIONS | OW_LOG_REQUESTS}
};

static OwStatement set_level = {
	.sql = "UPDATE workflow.workflow_type SET log_events = $2 WHERE name = $1",
	.argument_types = "text,text"
};

static int
kinds_of(const char *name)
{
	for (int i = 0; i < (int) lengthof(levels); i++)
	{
		if (strcmp(levels[i].name, name) == 0)
			return levels[i].kinds;
	}
	return -1;
}

int
ow_log_level_parse(const char *level)
{
	char	   *text = pstrdup(level);
	List	   *names;
	ListCell   *cell;
	int			kinds = 0;

	if (!SplitIdentifierString(text, ',', &names) || names == NIL)
		return -1;
	foreach(cell, names)
	{
		int			more = kinds_of(lfirst(cell));

		if (more < 0)
			return -1;
		kinds |= more;
	}
	return kinds;
}

static bool
check_level(char **value, void **extra, GucSource source)
{
	int			kinds = ow_log_level_parse(*value);
	int		   *kept;

	if (kinds < 0)
	{
		GUC_check_errhint(OW_LOG_LEVEL_HINT);
		return false;
	}
	kept = malloc(sizeof(int));
	if (kept == NULL)
		return false;
	*kept = kinds;
	*extra = kept;
	return true;
}

static void
assign_level(const char *value, void *extra)
{
	ow_log_kinds = *(int *) extra;
}

void
ow_log_level_define_setting(void)
{
	DefineCustomStringVariable("order_workflow.log_events",
							   "Sets which events of runs are written to the server's log.",
							   OW_LOG_LEVEL_HINT " workflow.set_log_level() gives a workflow another one.",
							   &level_setting, DEFAULT_LEVEL,
							   PGC_SUSET, GUC_LIST_INPUT, check_level, assign_level, NULL);
}

void
ow_log_level_set(const char *workflow, const char *level)
{
	Datum		values[2] = {CStringGetTextDatum(workflow), level ? CStringGetTextDatum(level) : (Datum) 0};

	ow_store_open();
	ow_store_execute(&set_level, values, level ? NULL : " n");
	ow_store_close();
	ow_catalog_changed();
}
