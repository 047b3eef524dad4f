/*
 * activity.h
 *		Calling a SQL activity's function, and turning what it raised into a failure.
 *
 * The caller (chain.c) has set up the subtransaction, the timeout and the session; here only
 * arguments are made, the function is called and its result becomes jsonb.  Errors propagate.
 */
#ifndef OW_ACTIVITY_H
#define OW_ACTIVITY_H

#include "machine/machine.h"

/*
 * Call the function of call->activity with call->input: f(jsonb), f(jsonb,
 * workflow.activity_context), one composite argument, or named arguments filled by key (unknown or
 * missing key: OW.InvalidInput).  The result is made jsonb by to_jsonb, void and NULL become null.
 * Allocates the result in the context current at the call.  Raises whatever the function raises,
 * and errors of its own when the function is gone or the current user may not execute it.
 */
extern Jsonb *ow_activity_call(const OwActivityCall *call, const OwRun *run);

/*
 * The context of the activity that runs in this backend, for workflow.current_activity(); NULL:
 * none
 */
extern const OwActivityCall *ow_activity_current(const OwRun **run);

/* A mock stands in for an activity until ow_activity_reset: what it executes is as if that did. */
extern void ow_activity_enter(const OwActivityCall *call, const OwRun *run);

/* …or until the activity itself is called after all */
extern void ow_activity_suspend(void);

/* …as workflow.activity_context; errors when none runs */
extern Datum ow_activity_context(void);

/*
 * An activity that sends its own run a message (a cancel) is the last one of its chain, so that the
 * run takes the message in before it goes on.
 */
extern void ow_activity_note_message(const pg_uuid_t *run_id);
extern bool ow_activity_sent_to_itself(void);

/* Forget it after an error passed by */
extern void ow_activity_reset(void);

/*
 * Why a function cannot be an activity: a lower-case reason, *hint for those who can change it.
 * NULL: it can.
 */
extern const char *ow_activity_refuse(Oid function, const char **hint);

/*
 * Raise the failure, for workflow.throw.  Its data stays in this backend's memory, tied to the
 * error by a token, until ow_activity_failure asks for it.
 */
extern void ow_activity_throw(const OwFailure *failure) pg_attribute_noreturn();

/*
 * The failure an error stands for: what workflow.throw was given, else the condition name of its
 * SQLSTATE ("unique_violation") with message as cause and SQLSTATE, detail, hint and context as
 * details.  Allocates in the current context.
 */
extern void ow_activity_failure(const ErrorData *error, OwFailure *failure);

/* {sqlstate, detail, hint, context, …} of an error */
extern Jsonb *ow_error_details(const ErrorData *error);

/*
 * The hash of the function that an attempt has just called, if it has been replaced since it was registered, or
 * registered since the run began; else NULL.
 */
extern const char *ow_activity_replaced_hash(const OwActivity *activity, const OwRun *run);

#endif							/* OW_ACTIVITY_H */
