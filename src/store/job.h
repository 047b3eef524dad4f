/*
 * job.h
 *		Definitions that run one activity, for workflow.start_activity: found, or made, and cached per backend.
 *
 * Those of one role and activity are versions of a workflow that nobody else can register: "activity:Pay", or
 * "activity@bob:Pay" of a role that does not own the activity, as which its runs execute.  Each distinct content is
 * one version, whose number is its definition's id; none is current.  They are definitions as any other: runs refer
 * to them, views show them, dumps have them.
 */
#ifndef OW_JOB_H
#define OW_JOB_H

#include "store/catalog.h"

#define OW_JOB_PREFIX "activity:"
#define OW_ROLE_JOB_PREFIX "activity@"

/* Distinct contents that are kept for a role and activity: more would swell every backend's cache */
#define OW_MAX_JOB_VERSIONS 1000

/* Is this the name of such a workflow? */
extern bool ow_job_is_name(const char *workflow);

/* What was found for the role, activity and options before, if nothing has changed since; else NULL */
extern const OwCompiled *ow_job_cached(Oid role, const char *activity, const Jsonb *options);

/*
 * Find the definition that these options have been made to, or add it, as the role's.  NULL: there are too many.
 * Only what nothing can roll back any more is cached.
 */
extern const OwCompiled *ow_job_find(Oid role, const char *activity, const Jsonb *options, Jsonb *definition);

#endif							/* OW_JOB_H */
