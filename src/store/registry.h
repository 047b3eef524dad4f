/*
 * registry.h
 *		Writing workflow types, definitions and activities.  Each opens the store itself.
 *
 * Callers check privileges between the lock and the write, and call ow_catalog_changed after.
 */
#ifndef OW_REGISTRY_H
#define OW_REGISTRY_H

#include "postgres.h"
#include "utils/jsonb.h"

typedef struct OwDefinitionRow
{
	const char *workflow;
	const char *source;			/* the text as it came */
	Jsonb	   *definition;
	Oid			created_by;
} OwDefinitionRow;

typedef struct OwActivityRow
{
	const char *name;
	Oid			owner;
	const char *task_queue;		/* of an activity done outside; else NULL, and these are set: */
	const char *function_schema;
	const char *function_name;
	const char *function_arguments;
	const char *function_hash;
	Jsonb	   *options;
} OwActivityRow;

/* Lock the type's row, made with role as its owner if it is new.  Returns the owner. */
extern Oid	ow_registry_lock_type(const char *workflow, Oid role);

/* The version with this content, added if it is new; the type is locked. */
extern int	ow_registry_add_version(const OwDefinitionRow *row);
extern void ow_registry_make_current(const char *workflow, int version);

/*
 * Make the type, without a current version; false when there is one of that name.  Nothing is locked, but
 * who makes it while another transaction does waits for that.
 */
extern bool ow_registry_add_type(const char *workflow, Oid role);

/* The definition with this content, 0 when there is none; settled: nothing can roll it back any more */
extern int	ow_registry_find_content(const OwDefinitionRow *row, bool *settled);

/*
 * Add a version whose number nobody waits for: its definition's id, which comes back.  0: the workflow has as many
 * versions as it may.
 */
extern int	ow_registry_add_unnumbered(const OwDefinitionRow *row, int limit);

/* The last version, 0 when there is none */
extern int	ow_registry_last_version(const char *workflow);

/* What new runs of a workflow follow */
typedef struct OwCurrentVersions
{
	Oid			owner;
	int			current;		/* 0: none */
	int			ramp;			/* 0: none */
	double		percent;		/* of the ramp */
} OwCurrentVersions;

/* Lock the type's row; false when there is none. */
extern bool ow_registry_lock_versions(const char *workflow, OwCurrentVersions *versions);

/* Lead so many percent of the new runs to a version; 0: none.  The type is locked. */
extern void ow_registry_set_ramp(const char *workflow, int version, double percent);

typedef enum OwVersionMark
{
	OW_VERSION_IN_USE,
	OW_VERSION_DEPRECATED,
	OW_VERSION_RETIRED
} OwVersionMark;

extern void ow_registry_mark_version(int definition_id, OwVersionMark mark);

/* Open runs that are on the definition, or have been told to move to it */
extern int64 ow_registry_count_runs(int definition_id);

/* Insert a SQL activity; false when the name is taken. */
extern bool ow_registry_add_activity(const OwActivityRow *row);

/* Lock an activity's row; false when there is none. */
extern bool ow_registry_lock_activity(const char *name, Oid *owner);

/* Replace what a locked activity is; its owner, crashes and quarantine stay. */
extern void ow_registry_replace_activity(const OwActivityRow *row);

/* Lift the quarantine of a locked activity; false when there was none. */
extern bool ow_registry_release_activity(const char *name);

#endif							/* OW_REGISTRY_H */
