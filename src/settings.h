/*
 * settings.h
 *		The order_workflow.* settings.
 */
#ifndef OW_SETTINGS_H
#define OW_SETTINGS_H

extern int	ow_max_workers;		/* executors in the whole server */
extern int	ow_max_pools;		/* (database, role) pairs kept in shared memory */
extern int	ow_max_metrics;		/* series kept in shared memory */
extern int	ow_max_circuit_breakers;	/* those kept in shared memory */
extern int	ow_batch_size;		/* runs per batch */
extern int	ow_batch_time_ms;	/* chaining stops after this long in one transaction */
extern int	ow_batch_delay_us;	/* a busy executor waits this long for a small batch to grow */
extern int	ow_batch_wait_ms;	/* longest an activity may take inside a shared batch */
extern int	ow_expression_timeout_ms;	/* longest the SQL expressions of a field may take */
extern int	ow_idle_timeout_s;	/* an idle executor leaves after this long */
extern int	ow_quantum_ms;		/* an executor yields to another role after this long */
extern int	ow_max_transitions; /* states entered without waiting before a run yields */
extern int	ow_transition_limit;	/* states entered without waiting or an activity before a run
									 * fails */
extern int	ow_map_concurrency; /* iterations of a Map that sets no limit */
extern int	ow_max_payload_kb;	/* of a run's input and a state's output */
extern int	ow_crash_limit;		/* crashes before an activity is quarantined */
extern char *ow_instance;		/* tells physical clones apart */
extern bool ow_enabled;			/* off: no executor starts */

#define OW_MAX_BATCH_SIZE 1000

extern void ow_settings_init(void);

#endif							/* OW_SETTINGS_H */
