/*
 * catalog.h
 *		Workflow types, definitions, activities and grants, cached per backend.
 *
 * Definitions are immutable and compiled once per backend, each in its own memory context under the
 * cache.  Types, activities and grants change: every change calls ow_catalog_changed, whose
 * relcache invalidation makes every backend forget them when the change commits.
 *
 * Whatever is returned stays valid until the end of the transaction, also when it is changed
 * meanwhile.  All but ow_catalog_init and ow_catalog_changed open the store themselves when they
 * must read: call them outside a store section.
 */
#ifndef OW_CATALOG_H
#define OW_CATALOG_H

#include "machine/machine.h"
#include "store/retention.h"

typedef enum OwPrivilege
{
	OW_PRIVILEGE_START = 1 << 0,
	OW_PRIVILEGE_SIGNAL = 1 << 1,
	OW_PRIVILEGE_CANCEL = 1 << 2,
	OW_PRIVILEGE_READ = 1 << 3
} OwPrivilege;

typedef struct OwCompiled
{
	int			definition_id;
	char	   *workflow;
	int			version;
	Oid			owner;			/* of the workflow type */
	TimestampTz created_at;
	OwDefinition *definition;
} OwCompiled;

/* The shell's part of an OwActivity (OwActivity.shell): the function of a SQL activity, resolved */
typedef struct OwSqlFunction
{
	Oid			owner;			/* of the registration */
	TimestampTz created_at;		/* of the name */
	char	   *schema;
	char	   *name;
	char	   *arguments;
	char	   *hash;			/* of the function when it was registered; NULL: not known */
	TimestampTz in_force_from;	/* attempts of runs that began since do not say which function they
								 * called, if it is this one */
	Oid			function;		/* InvalidOid when it no longer exists */
	struct OwFunctionCall *call;	/* how to call it: made on first use, by activity.c */
	MemoryContext context;		/* for call; lives as long as this does */
} OwSqlFunction;

extern void ow_catalog_init(void);	/* registers the invalidation callback; from _PG_init */
extern void ow_catalog_changed(void);	/* after writing to any of these tables */

/* Counts what may have changed in them, for those who keep what they made of it */
extern uint64 ow_catalog_changes(void);

/*
 * The function of an activity.  InvalidOid when it, its schema or one of its argument types is gone.  Privileges
 * are checked when it is called.
 */
extern Oid	ow_catalog_resolve(const OwSqlFunction *function);

/*
 * A hash, in hexadecimal digits, of all that CREATE FUNCTION says of a function: its body, language, arguments,
 * settings, …  It tells whether it was replaced; what other functions do that it calls is not in it.
 */
extern char *ow_catalog_function_hash(Oid function);

/* By id: for runs.  Raises when there is no such row (cannot happen short of tampering). */
extern const OwCompiled *ow_catalog_definition(int definition_id);

/* By name; version 0 = current.  NULL when unknown. */
extern const OwCompiled *ow_catalog_find_definition(const char *workflow, int version);

/* The version that part of the new runs follow instead of the current one; NULL when none does */
extern const OwCompiled *ow_catalog_ramped(const char *workflow, double *percent);

/*
 * What a run of this id that begins now follows, if nobody says which version; NULL when nothing is current.  All that
 * begins goes through here: starts, runs that continue as new, …  It is held (ow_catalog_hold).
 */
extern const OwCompiled *ow_catalog_choose(const char *workflow, const char *workflow_id);

/*
 * Keep a definition from being retired until the transaction ends; false when it is.  Before a run is started on a
 * version that was named, or moved to it.
 */
extern bool ow_catalog_hold(int definition_id, bool *deprecated);

/* Wait for all who hold it, and keep others from doing so until the transaction ends. */
extern void ow_catalog_let_go(int definition_id);

/* Where between 0 and 100 (exclusive) an id stands: always in the same place, for each name in another */
extern double ow_catalog_share(const char *name, const char *id);

/* NULL when not registered */
extern const OwActivity *ow_catalog_activity(const char *name);

/*
 * False when the workflow type is unknown; current_version may be NULL, and is 0 when there is none
 */
extern bool ow_catalog_find_type(const char *workflow, Oid *owner, int *current_version);

/* The class of a workflow's runs; NORMAL when the type is unknown */
extern OwRetention ow_catalog_retention(const char *workflow);

/* Which events of a workflow's runs are logged: OwLogKind bits */
extern int	ow_catalog_log_kinds(const char *workflow);

/* How long a class, FOREVER excepted, keeps what has closed, in microseconds */
extern int64 ow_catalog_keep_us(OwRetention class);

/*
 * Is role the workflow's owner, a member of it, a superuser, or granted any of these OwPrivileges?
 */
extern bool ow_catalog_may(Oid role, const char *workflow, Oid owner, int privileges);

/* May a definition that owner registered then (DT_NOEND: now) use this activity? */
extern bool ow_catalog_may_use(Oid owner, const OwActivity *activity, TimestampTz defined_at);

#endif							/* OW_CATALOG_H */
