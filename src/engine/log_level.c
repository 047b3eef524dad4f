/*
 * log_level.c
 *		Levels of the log of events.
 */
#include "postgres.h"

#include "engine/log_level.h"
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
