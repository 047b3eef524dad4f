/*
 * log_level.c
 *		Which events of a workflow's runs are logged: workflow.workflow_type.log_events, which catalog.c reads.
 */
#include "postgres.h"

#include "store/catalog.h"
#include "store/log_level.h"
#include "store/store.h"
#include "utils/builtins.h"

static OwStatement set_level = {
	.sql = "UPDATE workflow.workflow_type SET log_events = $2 WHERE name = $1",
	.argument_types = "text,text"
};

void
ow_log_level_set(const char *workflow, const char *level)
{
	Datum		values[2] = {CStringGetTextDatum(workflow), level ? CStringGetTextDatum(level) : (Datum) 0};

	ow_store_open();
	ow_store_execute(&set_level, values, level ? NULL : " n");
	ow_store_close();
	ow_catalog_changed();
}
