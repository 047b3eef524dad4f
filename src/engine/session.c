/*
 * session.c
 *		Keeping sessions clean between activities.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/trigger.h"
#include "engine/session.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/*
 * The database's deferrable constraints, read again after any constraint changed.  Most databases
 * have none, and then chains pay nothing for them.
 */
static bool deferrable_known = false;
static bool any_deferrable = false;
static List *initially_deferred = NIL;	/* of RangeVar *, in deferrable_context */
static MemoryContext deferrable_context = NULL;

static void
forget_constraints(Datum arg, int cache_id, uint32 hash)
{
	deferrable_known = false;
}

void
ow_session_init(void)
{
	CacheRegisterSyscacheCallback(CONSTROID, forget_constraints, (Datum) 0);
}

int
ow_session_save(void)
{
	return NewGUCNestLevel();
}

void
ow_session_restore(int saved)
{
	AtEOXact_GUC(false, saved);
	if (!IsBackgroundWorker)
		return;
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	Async_UnlistenAll();
	LockReleaseSession(USER_LOCKMETHOD);
	ResetTempTableNamespace();
}

static void
add_deferred(Form_pg_constraint constraint)
{
	char	   *schema = get_namespace_name(constraint->connamespace);

	if (schema != NULL)
		initially_deferred = lappend(initially_deferred,
									 makeRangeVar(schema, pstrdup(NameStr(constraint->conname)), -1));
}

static void
read_constraints(void)
{
	MemoryContext previous;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (deferrable_context == NULL)
		deferrable_context = AllocSetContextCreate(TopMemoryContext, "order_workflow deferrable constraints",
												   ALLOCSET_SMALL_SIZES);
	MemoryContextReset(deferrable_context);
	initially_deferred = NIL;
	any_deferrable = false;
	deferrable_known = true;	/* an invalidation while reading sets it back */

	previous = MemoryContextSwitchTo(deferrable_context);
	relation = table_open(ConstraintRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);

		any_deferrable |= constraint->condeferrable;
		if (constraint->condeferred)
			add_deferred(constraint);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	MemoryContextSwitchTo(previous);
}

void
ow_session_fire_constraints(void)
{
	ConstraintsSetStmt *statement;

	if (!deferrable_known)
		read_constraints();
	if (!any_deferrable)
		return;
	statement = makeNode(ConstraintsSetStmt);
	statement->deferred = false;
	AfterTriggerSetState(statement);
	if (initially_deferred != NIL)
	{
		statement->constraints = initially_deferred;
		statement->deferred = true;
		AfterTriggerSetState(statement);
	}
}

bool
ow_session_is_of(Oid owner)
{
	Oid			user;
	int			security_context;

	GetUserIdAndSecContext(&user, &security_context);
	return user == owner && GetSessionUserId() == owner && security_context == 0;
}
