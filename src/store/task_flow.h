/*
 * task_flow.h
 *		What governs tasks in a queue: limits, weights and pauses, per owner of the runs.
 */
#ifndef OW_TASK_FLOW_H
#define OW_TASK_FLOW_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* 0 where there is no limit */
typedef struct OwFlowSettings
{
	const char *task_queue;
	Oid			owner;
	const char *fairness_key;	/* NULL: of the queue */
	double		weight;			/* of a key */
	double		rate;
	int			max_in_flight;
	double		key_rate;		/* of a queue: of each key that says nothing else */
	int			key_max_in_flight;
} OwFlowSettings;

/* Replace the settings of a queue, or of a key. */
extern void ow_flow_set(const OwFlowSettings *settings);

/* Pause a queue, or one of its keys; until DT_NOBEGIN: go on. */
extern void ow_flow_pause(const char *task_queue, Oid owner, const char *fairness_key, TimestampTz until,
						  const char *reason);

/* The owners who have let the role take tasks of the queue */
extern List *ow_flow_granting_owners(const char *task_queue, Oid role);

/* Does the owner control anything in the queue? */
extern bool ow_flow_exists(const char *task_queue, Oid owner);

#endif							/* OW_TASK_FLOW_H */
