/*
 * log_level.h
 *		Which events of a workflow's runs are logged, where somebody has set it.
 */
#ifndef OW_STORE_LOG_LEVEL_H
#define OW_STORE_LOG_LEVEL_H

/* NULL: as order_workflow.log_events has it */
extern void ow_log_level_set(const char *workflow, const char *level);

#endif							/* OW_STORE_LOG_LEVEL_H */
