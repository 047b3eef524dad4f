/*
 * utility_hook.c
 *		Commands that need a database without workers, or end prepared transactions.
 *
 * DROP, RENAME and SET TABLESPACE of a database, and taking one as TEMPLATE, fail while anybody is
 * connected to it; DROP EXTENSION and ALTER EXTENSION UPDATE could deadlock with executors at work.
 * So for these the workers of the database are sent away first, and held off until the transaction
 * has ended, committed or not; then the launcher starts them again where there is work.
 *
 * Only for those who may run the command: others must not be able to disturb anybody by trying.  The
 * command itself checks this again, and says what is wrong.
 *
 * COMMIT PREPARED and ROLLBACK PREPARED end a transaction of which no process remembers what it owed
 * (see wakeup.c): a scanner looks.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "worker/shared.h"
#include "worker/slot.h"
#include "worker/utility_hook.h"
#include "worker/waiter.h"
#include "worker/wakeup.h"

#define EXTENSION_NAME "order_workflow"

static ProcessUtility_hook_type previous_hook;

static void process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params,
							QueryEnvironment *environment, DestReceiver *dest,
							QueryCompletion *completion);
static Oid	find_database_to_clear(Node *statement);
static Oid	owned_database(const char *name);
static Oid	template_database(CreatedbStmt *statement);
static bool may_create_databases(void);
static Oid	own_database_if_extension(const char *name);
static Oid	dropped_extension(DropStmt *statement);
static const char *find_option(List *options, const char *name);
static bool ends_prepared(Node *statement);
static bool may_mend_login(Node *statement);

void
ow_utility_hook_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	Oid			database = find_database_to_clear(pstmt->utilityStmt);
	bool		prepared = ends_prepared(pstmt->utilityStmt);
	bool		mends = may_mend_login(pstmt->utilityStmt);

	if (OidIsValid(database))
	{
		ow_slot_hold_database(database);
		ow_slot_stop_database(database);
	}

	if (previous_hook)
		previous_hook(pstmt, query, read_only_tree, context, params, environment, dest, completion);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, environment, dest,
								completion);

	/* Takes effect when the statement's own transaction ends, by when it has done its work */
	if (prepared && pg_atomic_read_u32(&ow_shared->prepared_work) != 0)
	{
		ow_wakeup_scan(MyDatabaseId);
		ow_waiter_notify_all();
	}
	if (mends)
		ow_wakeup_unpark();
}

/*
 * May the statement have given a role what it lacked to log in: LOGIN, CONNECT, a higher limit?
 */
static bool
may_mend_login(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_AlterRoleStmt:
		case T_AlterDatabaseStmt:
			return true;
		case T_GrantStmt:
			return castNode(GrantStmt, statement)->objtype == OBJECT_DATABASE;
		default:
			return false;
	}
}

/*
 * Finds the database that a command needs without workers; InvalidOid: none.
 */
static Oid
find_database_to_clear(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return owned_database(castNode(DropdbStmt, statement)->dbname);
		case T_RenameStmt:
			if (castNode(RenameStmt, statement)->renameType != OBJECT_DATABASE)
				return InvalidOid;
			return owned_database(castNode(RenameStmt, statement)->subname);
		case T_AlterDatabaseStmt:
			if (find_option(castNode(AlterDatabaseStmt, statement)->options, "tablespace") == NULL)
				return InvalidOid;
			return owned_database(castNode(AlterDatabaseStmt, statement)->dbname);
		case T_CreatedbStmt:
			return template_database(castNode(CreatedbStmt, statement));
		case T_DropStmt:
			return dropped_extension(castNode(DropStmt, statement));
		case T_AlterExtensionStmt:
			return own_database_if_extension(castNode(AlterExtensionStmt, statement)->extname);
		default:
			return InvalidOid;
	}
}

/*
 * Finds a database that the current user owns.
 */
static Oid
owned_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (!OidIsValid(database) || !pg_database_ownercheck(database, GetUserId()))
		return InvalidOid;
	return database;
}

/*
 * Finds the database that a new one is to be copied from, if the current user may do that.
 */
static Oid
template_database(CreatedbStmt *statement)
{
	const char *name = find_option(statement->options, "template");
	Oid			database = get_database_oid(name != NULL ? name : "template1", true);
	HeapTuple	tuple;
	bool		permitted;

	if (!OidIsValid(database) || !may_create_databases())
		return InvalidOid;

	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	permitted = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate ||
		pg_database_ownercheck(database, GetUserId());
	ReleaseSysCache(tuple);
	return permitted ? database : InvalidOid;
}

static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		permitted;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(tuple))
		return false;
	permitted = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return permitted;
}

/*
 * Finds this database, if the extension named is ours and the current user owns it.
 */
static Oid
own_database_if_extension(const char *name)
{
	Oid			extension;

	if (strcmp(name, EXTENSION_NAME) != 0)
		return InvalidOid;
	extension = get_extension_oid(name, true);
	if (!OidIsValid(extension) || !pg_extension_ownercheck(extension, GetUserId()))
		return InvalidOid;
	return MyDatabaseId;
}

static Oid
dropped_extension(DropStmt *statement)
{
	ListCell   *cell;

	if (statement->removeType != OBJECT_EXTENSION)
		return InvalidOid;
	foreach(cell, statement->objects)
	{
		Oid			database = own_database_if_extension(strVal(lfirst(cell)));

		if (OidIsValid(database))
			return database;
	}
	return InvalidOid;
}

/*
 * Finds the text of an option; NULL: it is not given.
 */
static const char *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return option->arg != NULL ? defGetString(option) : NULL;
	}
	return NULL;
}

static bool
ends_prepared(Node *statement)
{
	TransactionStmt *transaction;

	if (!IsA(statement, TransactionStmt))
		return false;
	transaction = castNode(TransactionStmt, statement);
	return transaction->kind == TRANS_STMT_COMMIT_PREPARED ||
		transaction->kind == TRANS_STMT_ROLLBACK_PREPARED;
}
