/*
 * upgrade.h
 *		Moving an open run to another version of its workflow.
 */
#ifndef OW_UPGRADE_H
#define OW_UPGRADE_H

#include "store/catalog.h"
#include "store/find.h"

typedef struct OwUpgradeRequest
{
	const OwFoundRun *run;
	const OwCompiled *to;
	const Jsonb *state_map;		/* {old name: new name}; may be NULL */
	Oid			requested_by;
} OwUpgradeRequest;

/* Waits for whoever drives the run; raises when it cannot be moved as it stands then. */
extern void ow_upgrade_run(const OwUpgradeRequest *request);

#endif							/* OW_UPGRADE_H */
