/*
 * session.c
 *		Keeping sessions clean between activities.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_constraint.h"
#include "commands/prepare.h"
#include "commands/trigger.h"
#include "engine/session.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * The database's deferrable constraints, read again after any constraint changed.  Most databases
 * have none, and then chains pay nothing for them.
 *
 * SET CONSTRAINTS takes names, which a schema may have several times.  A constraint that shares its name
 * with one that is not initially deferred stays immediate once fired, until the transaction ends.
 */
static bool deferrable_known = false;
static bool any_deferrable = false;
static bool any_ambiguous = false;
static List *initially_deferred = NIL;	/* of RangeVar *, in deferrable_context */
static MemoryContext deferrable_context = NULL;

/* The transaction that has left ambiguous constraints immediate */
static LocalTransactionId left_immediate = InvalidLocalTransactionId;

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
	ow_session_clean();
}

/* What waits for a deferred check cannot be dropped. */
static void
drop_temporary_objects(void)
{
	Oid			schema;
	Oid			toast_schema;

	GetTempNamespaceState(&schema, &toast_schema);
	if (!OidIsValid(schema))
		return;
	ow_session_fire_constraints();
	/* catalog rows that are deleted may have to be fetched from their TOAST tables */
	PushActiveSnapshot(GetTransactionSnapshot());
	ResetTempTableNamespace();
	PopActiveSnapshot();
}

void
ow_session_clean(void)
{
	if (!IsBackgroundWorker)
		return;
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	LockReleaseSession(USER_LOCKMETHOD);
	drop_temporary_objects();
}

/* Does another constraint have the name of this initially deferred one, and is not? */
static bool
is_ambiguous(Relation relation, Form_pg_constraint constraint)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&keys[0], Anum_pg_constraint_conname, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&constraint->conname));
	ScanKeyInit(&keys[1], Anum_pg_constraint_connamespace, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(constraint->connamespace));
	scan = systable_beginscan(relation, ConstraintNameNspIndexId, true, NULL, lengthof(keys), keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = !((Form_pg_constraint) GETSTRUCT(tuple))->condeferred;
	systable_endscan(scan);
	return found;
}

static void
add_deferred(Relation relation, Form_pg_constraint constraint)
{
	char	   *schema = get_namespace_name(constraint->connamespace);

	if (is_ambiguous(relation, constraint))
		any_ambiguous = true;
	else if (schema != NULL)
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
	any_ambiguous = false;
	deferrable_known = true;	/* an invalidation while reading sets it back */

	previous = MemoryContextSwitchTo(deferrable_context);
	relation = table_open(ConstraintRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);

		any_deferrable |= constraint->condeferrable;
		if (constraint->condeferred)
			add_deferred(relation, constraint);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	MemoryContextSwitchTo(previous);
}

/*
 * Defers the initially deferred constraints again.  That runs nobody's code, and must not depend on
 * which schemas the owner of the runs may use.
 */
static void
defer_again(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);
	Oid			user;
	int			security_context;

	statement->constraints = initially_deferred;
	statement->deferred = true;
	GetUserIdAndSecContext(&user, &security_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security_context | SECURITY_LOCAL_USERID_CHANGE);
	AfterTriggerSetState(statement);
	SetUserIdAndSecContext(user, security_context);
}

void
ow_session_fire_constraints(void)
{
	if (!deferrable_known)
		read_constraints();
	if (!any_deferrable)
		return;
	AfterTriggerSetState(makeNode(ConstraintsSetStmt));
	if (any_ambiguous)
		left_immediate = MyProc->lxid;
	if (initially_deferred != NIL)
		defer_again();
}

bool
ow_session_can_defer(void)
{
	return left_immediate == InvalidLocalTransactionId || left_immediate != MyProc->lxid;
}

bool
ow_session_is_of(Oid owner)
{
	Oid			user;
	int			security_context;

	GetUserIdAndSecContext(&user, &security_context);
	return user == owner && GetSessionUserId() == owner && security_context == 0;
}
