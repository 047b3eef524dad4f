/*
 * machine_internal.h
 *		Shared by the parts of the machine: machine.c (the step), machine_state.c (entering and leaving
 *		states), machine_task.c (attempts, retries, catches), machine_circuit.c, machine_queue.c, machine_compensate.c,
 *		machine_control.c (what operators ask of activities), machine_pause.c (and of the run), machine_context.c.
 */
#ifndef OW_MACHINE_INTERNAL_H
#define OW_MACHINE_INTERNAL_H

#include "machine/machine.h"

/* What is evaluated for a visit to a state: each draws random numbers of its own */
typedef enum OwEvaluation
{
	OW_EVALUATE_INPUT,
	OW_EVALUATE_RESULT,
	OW_EVALUATE_ASSIGN,
	OW_EVALUATE_CATCH,
	OW_EVALUATE_COMPENSATION,
	OW_EVALUATE_SEARCH
} OwEvaluation;

/* machine.c */
extern const OwState *ow_machine_state(const OwMachine *machine);
extern void ow_machine_record(OwMachine *machine, const char *type, const char *state, Jsonb *attributes);

/*
 * The same of the end of an attempt, which the token has not left yet: when a program outside took it stands
 * beside what is said of it.  NULL attributes: nothing is.
 */
extern void ow_machine_record_ended(OwMachine *machine, const char *type, const char *state, OwObject *attributes);
extern void ow_machine_go(OwMachine *machine, int state, Jsonb *data);
extern void ow_machine_fail(OwMachine *machine, const OwFailure *failure);
extern void ow_machine_stick(OwMachine *machine, const OwFailure *failure);
extern void ow_machine_decide(OwMachine *machine, OwStatus status, const char *error, const char *cause,
							  const OwPublicError *public_error);

/* machine_spread.c */
/* What the owner spreads, read from where its token keeps it */
struct OwSpread
{
	const Jsonb *kept;
	Jsonb	   *input;
	JsonbValue	items;
	int			count;
	int			concurrency;
	int			tolerated;		/* failures; OW_UNSET: none, and the first fails the Map as it is */
};

extern bool ow_machine_enter_branches(OwMachine *machine, const OwState *state, OwFailure *failure);
extern void ow_machine_spread_again(OwMachine *machine);
extern bool ow_machine_select_item(OwMachine *machine, const OwState *state, Jsonb *input, JsonbValue *item,
								   int index, Jsonb **selected, OwFailure *failure);
extern const OwSpread *ow_machine_unpack(OwToken *token);
extern bool ow_machine_spreads_alike(const OwState *state, const OwState *other);

/* machine_branches.c */
extern void ow_machine_select(OwMachine *machine, OwBranch *branch);
extern void ow_machine_append_name(StringInfo path, const char *name);
extern void ow_machine_count_running(OwMachine *machine);
extern void ow_machine_not_idle(OwMachine *machine);
extern bool ow_machine_can_spread(OwToken *token);
extern void ow_machine_spread(OwMachine *machine);
extern void ow_machine_branch_completed(OwMachine *machine, Jsonb *output);
extern void ow_machine_branch_failed(OwMachine *machine, const OwFailure *failure);
extern void ow_machine_branch_undone(OwMachine *machine);
extern void ow_machine_cancel_branches(OwMachine *machine, bool recorded);
extern bool ow_machine_undoes(const OwMachine *machine, const OwRecordedCompensation *compensation);
extern bool ow_machine_map_item(const OwMachine *machine, int *index, JsonbValue *item);

/* machine_state.c */
extern void ow_machine_enter(OwMachine *machine);
extern bool ow_machine_pass_on(OwMachine *machine, const OwState *state, Jsonb **output, OwFailure *failure);
extern void ow_machine_leave(OwMachine *machine, Jsonb *output);
extern bool ow_machine_check_size(OwMachine *machine, const OwState *state, const Jsonb *output, OwFailure *failure);
extern bool ow_machine_leave_to(OwMachine *machine, const OwState *state, int next, Jsonb *output, OwFailure *failure);
extern bool ow_machine_apply_output_path(OwMachine *machine, const OwState *state, Jsonb *data, Jsonb **output,
										 OwFailure *failure);
extern bool ow_machine_input(OwMachine *machine, const OwState *state, Jsonb **input, OwFailure *failure);
extern bool ow_machine_assign(OwMachine *machine, const OwTemplate *assign, Jsonb *data, OwEvaluation what,
							  OwFailure *failure);
extern void ow_machine_keep_assigned(OwMachine *machine);
extern bool ow_machine_result(OwMachine *machine, const OwState *state, Jsonb *result, Jsonb **output,
							  OwFailure *failure);

extern bool ow_machine_take_assigned(OwMachine *machine, Jsonb *assigned, OwFailure *failure);
extern bool ow_machine_check_variables(const Jsonb *variables, OwFailure *failure);

/* machine_sql.c: fields of SQL states; a failure is States.QueryEvaluationError */
extern bool ow_machine_evaluate(OwMachine *machine, const OwSqlTemplate *template, Jsonb **value, OwFailure *failure);
extern bool ow_machine_sql_evaluate(OwMachine *machine, const OwSqlTemplate *template, OwSqlScope scope, Jsonb **value,
									OwFailure *failure);
extern bool ow_machine_sql_condition(OwMachine *machine, const OwSqlTemplate *template, OwSqlScope scope, bool *matches,
									 OwFailure *failure);
extern bool ow_machine_evaluate_number(OwMachine *machine, const OwSqlTemplate *template, double low, double high,
									   bool whole, double *number, OwFailure *failure);
extern bool ow_machine_evaluate_text(OwMachine *machine, const OwSqlTemplate *template, const char **text,
									 OwFailure *failure);
extern bool ow_machine_evaluate_time(OwMachine *machine, const OwMoment *moment, TimestampTz *at, OwFailure *failure);
extern bool ow_machine_evaluate_condition(OwMachine *machine, const OwSqlTemplate *template, const Jsonb *result,
										  bool *matches, OwFailure *failure);
extern bool ow_machine_sql_awaited(OwMachine *machine, const OwAwaited *awaited, const Jsonb *payload, Jsonb **output,
								   OwFailure *failure);
extern bool ow_machine_evaluate_items(OwMachine *machine, const OwState *state, JsonbValue *items, OwFailure *failure);
extern bool ow_machine_sql_output(OwMachine *machine, const OwState *state, Jsonb *result, Jsonb **output,
								  OwFailure *failure);
extern bool ow_machine_sql_catch(OwMachine *machine, const OwCatcher *catcher, Jsonb *error, Jsonb **output,
								 OwFailure *failure);
extern bool ow_machine_sql_choose(OwMachine *machine, const OwState *state, int *next, Jsonb **output,
								  OwFailure *failure);
extern bool ow_machine_sql_input(OwMachine *machine, const OwState *state, Jsonb **input, OwFailure *failure);
extern bool ow_machine_sql_call(OwMachine *machine, const OwState *state, Jsonb **input, OwFailure *failure);
extern bool ow_machine_sql_timeout(OwMachine *machine, const OwState *state, int64 *ms, OwFailure *failure);
extern bool ow_machine_sql_heartbeat(OwMachine *machine, const OwState *state, int64 *ms, OwFailure *failure);
extern bool ow_machine_sql_fairness_key(OwMachine *machine, const OwState *state, char **key, OwFailure *failure);
extern bool ow_machine_sql_compensation(OwMachine *machine, const OwState *state, Jsonb *result, Jsonb **input,
										OwFailure *failure);
extern void ow_machine_keep_result(OwToken *token, const OwState *state, Jsonb *result);
extern Jsonb *ow_machine_kept_result(const OwToken *token, const OwState *state);
extern void ow_machine_move_kept(OwToken *token, const OwState *from, const OwState *to);

/* machine_task.c */
extern void ow_machine_enter_task(OwMachine *machine, const OwState *state);
extern bool ow_machine_offer_task(OwMachine *machine);
extern bool ow_machine_fairness_text(const char *subject, const JsonbValue *value, char **key, OwFailure *failure);
extern bool ow_machine_task_fairness_key(OwMachine *machine, OwTaskOptions *options, OwFailure *failure);
extern bool ow_machine_fairness_key(OwMachine *machine, OwTaskOptions *options, Jsonb *data, const char *subject,
									OwFailure *failure);
extern void ow_machine_next_attempt(OwMachine *machine);
extern void ow_machine_task_completed(OwMachine *machine, const OwInput *input);
extern void ow_machine_heartbeat(OwMachine *machine, const OwInput *input);
extern bool ow_machine_attempt_options(OwMachine *machine, OwTaskOptions *options, OwFailure *failure);
extern Jsonb *ow_machine_answer_limits(OwMachine *machine, OwFailure *failure);
extern void ow_machine_change_answer(OwToken *token, const Jsonb *limits);
extern void ow_machine_move_answer(OwToken *token, int64 by);
extern void ow_machine_callback_timed_out(OwMachine *machine);
extern void ow_machine_task_failed(OwMachine *machine, const OwInput *input);
extern bool ow_machine_leave_task(OwMachine *machine, Jsonb *result);
extern bool ow_machine_catch(OwMachine *machine, const OwState *state, const OwFailure *failure);
extern void ow_machine_refuse_attempt(OwMachine *machine, const OwState *state, const OwFailure *failure);
extern bool ow_machine_task_input(OwMachine *machine, const OwState *state, OwFailure *failure);
extern void ow_machine_call(OwMachine *machine, const OwActivity *activity, const OwTaskOptions *options);
extern bool ow_machine_try_again(OwMachine *machine, const OwInput *input, const OwTaskOptions *options,
								 const char *state, OwPhase backoff);
extern void ow_machine_stick_unrunnable(OwMachine *machine, const char *activity_name, const OwActivity *activity);
extern Jsonb *ow_failure_json(const OwFailure *failure);
extern void ow_failure_from_json(const Jsonb *json, OwFailure *failure);

/* machine_wait.c */
extern bool ow_machine_enter_wait(OwMachine *machine, const OwState *state, OwFailure *failure);
extern bool ow_machine_enter_await(OwMachine *machine, const OwState *state, OwFailure *failure);
extern void ow_machine_await(OwMachine *machine);
extern void ow_machine_signal(OwMachine *machine, const OwInput *input);
extern bool ow_machine_has_unseen_signal(const OwRun *run, const OwToken *token);
extern void ow_machine_cancel_timers(OwMachine *machine);
extern bool ow_machine_awaits_alike(const OwState *state, const OwState *other);

/* machine_search.c */
extern void ow_machine_upsert_search_attributes(OwMachine *machine, const OwInput *input);

/* What the state sets when it is left: evaluated (as the last thing that can fail), and then kept */
extern bool ow_machine_search(OwMachine *machine, const OwState *state, const Jsonb *output, const Jsonb *result,
							  OwFailure *failure);
extern void ow_machine_keep_searched(OwMachine *machine, const OwState *state);

/* machine_pause.c */
extern OwStatus ow_machine_open_status(const OwRun *run);
extern void ow_machine_pause(OwMachine *machine, const OwInput *input);
extern void ow_machine_resume(OwMachine *machine, const OwInput *input);

/* machine_workflow.c */
extern OwRequest *ow_machine_make_request(OwMachine *machine, const OwState *state, OwFailure *failure);
extern void ow_machine_send_request(OwMachine *machine, const OwState *state, OwRequest *request);
extern void ow_machine_request_again(OwMachine *machine, const OwState *state);
extern void ow_machine_answered(OwMachine *machine, const OwInput *input);
extern const char *ow_machine_failed_request_event(const OwState *state, const OwInput *input);
extern void ow_machine_add_answer(OwObject *object, const Jsonb *answer);
extern void ow_machine_leave_child(OwMachine *machine);
extern bool ow_machine_cancel_children(OwMachine *machine);
extern bool ow_machine_cancel_is_pending(const OwRun *run);

/* machine_circuit.c */
extern bool ow_machine_may_attempt(OwMachine *machine, const OwActivity *activity, OwRejection *rejection);
extern void ow_machine_attempt_ended(OwMachine *machine, const OwActivity *activity, const OwFailure *failure);
extern bool ow_machine_wait_for_circuit(OwMachine *machine, const OwTaskOptions *options, const OwRejection *rejection);
extern void ow_machine_task_rejected(OwMachine *machine, const OwTaskOptions *options, const OwRejection *rejection);
extern void ow_machine_offer_again(OwToken *token);
extern void ow_machine_ask_circuit_again(OwMachine *machine);

/* machine_continue.c */
extern bool ow_machine_continue_as_new(OwMachine *machine, const OwState *state, OwFailure *failure);
extern void ow_machine_take_over(OwMachine *machine, const OwInput *input);
extern void ow_machine_retry_run(OwMachine *machine, OwObject *attributes);

/* machine_version.c */
extern void ow_machine_upgrade(OwMachine *machine, const OwInput *input);

/* machine_reset.c */
extern void ow_machine_reset(OwMachine *machine, const OwInput *input);

/* machine_queue.c */
extern void ow_machine_queue(OwMachine *machine, const char *activity, const OwTaskOptions *options);
extern void ow_machine_dequeue(OwMachine *machine);
extern void ow_machine_queue_timed_out(OwMachine *machine);
extern Jsonb *ow_machine_queue_limits(OwMachine *machine, const OwTaskOptions *options);
extern void ow_machine_change_limits(OwToken *token, const Jsonb *limits);
extern void ow_machine_move_limits(OwToken *token, int64 by);
extern void ow_machine_restart_limits(OwToken *token, TimestampTz clock, TimestampTz now);

/* machine_control.c */
extern void ow_machine_control(OwMachine *machine, const OwInput *input);
extern void ow_machine_options(const OwMachine *machine, const OwTaskOptions *own, const OwActivity *activity,
							   OwTaskOptions *options);
extern void ow_machine_count_attempt(OwMachine *machine);
extern TimestampTz ow_token_after(const OwToken *token, TimestampTz start, int64 ms);
extern TimestampTz ow_token_close_by(const OwToken *token, const OwTaskOptions *options);
extern int64 ow_token_stood_still(const OwToken *token, TimestampTz since);
extern void ow_token_count_anew(OwToken *token);
extern bool ow_token_is_reset(const OwToken *token);
extern bool ow_token_forgets_heartbeat(const OwToken *token);

/* machine_query.c: of the run as a whole, whatever it does */
extern Jsonb *ow_machine_run_data(const OwRun *run);
extern Jsonb *ow_machine_run_context(OwMachine *machine, const char *member, const char *inner);
extern void ow_machine_run_scope(OwMachine *machine, const Jsonb *data, OwScope *scope);
extern void ow_machine_run_sql_scope(OwMachine *machine, const OwSqlTemplate *template, OwSqlScope *scope);

/* machine_change.c */
extern void ow_machine_enter_version(OwMachine *machine, const OwState *state);

/* machine_update.c */
extern void ow_machine_update(OwMachine *machine, const OwInput *input);
extern bool ow_machine_answer_update(OwMachine *machine, const OwAwaited *awaited, OwBufferedSignal *update,
									 OwFailure *failure);
extern void ow_machine_fail_update(OwMachine *machine, OwBufferedSignal *update, const OwFailure *failure);
extern void ow_machine_drop_updates(OwMachine *machine);
extern Jsonb *ow_machine_run_variables(const OwRun *run);
extern void ow_machine_take_updated(OwMachine *machine);

/* machine_compensate.c */
extern bool ow_machine_record_compensation(OwMachine *machine, const OwState *state, Jsonb *output, Jsonb *result,
										   OwFailure *failure);
extern void ow_machine_record_compensation_scheduled(OwMachine *machine, bool again);
extern OwRecordedCompensation *ow_machine_compensation(const OwMachine *machine, const OwToken *token);
extern void ow_machine_compensation_options(OwMachine *machine, const OwRecordedCompensation *compensation,
											OwTaskOptions *options);
extern void ow_machine_drop_scheduled_compensation(OwMachine *machine, const OwState *state);
extern void ow_machine_recall_failed(OwMachine *machine);
extern bool ow_machine_compensate_next(OwMachine *machine);
extern bool ow_machine_offer_compensation(OwMachine *machine);
extern const OwRecordedCompensation *ow_machine_running_compensation(const OwMachine *machine); /* NULL: none runs */
extern void ow_machine_compensation_completed(OwMachine *machine, const OwInput *input);
extern void ow_machine_compensation_failed(OwMachine *machine, const OwInput *input);

/* machine_context.c */
extern void ow_machine_scope(OwMachine *machine, const Jsonb *data, OwEvaluation what, OwScope *scope);
extern const Jsonb *ow_machine_context(OwMachine *machine, const char *member, const char *inner);
extern uint64 ow_machine_random(const OwMachine *machine);
extern const Jsonb *ow_machine_variables(OwMachine *machine);
extern int *ow_machine_visit_counts(OwMachine *machine);
extern char *ow_machine_idempotency_key(OwMachine *machine, const OwState *state);

#endif							/* OW_MACHINE_INTERNAL_H */
