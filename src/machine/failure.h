/*
 * failure.h
 *		A failure inside a workflow: an ASL error name and what is known about it.
 *
 * The pure core reports bad data as values, never with ereport: a failure is ordinary input to
 * Retry and Catch.  Functions that can fail return false and fill the failure.
 */
#ifndef OW_FAILURE_H
#define OW_FAILURE_H

#include "postgres.h"
#include "utils/jsonb.h"

typedef struct OwFailure
{
	char	   *error;			/* error name matched by Retry and Catch */
	char	   *cause;			/* text for people; may be NULL */
	Jsonb	   *details;		/* may be NULL */
	bool		non_retryable;
	int64		next_retry_delay_ms;	/* -1: the retrier decides */
	bool		of_branch;		/* also matched by States.BranchFailed */
	char	   *state;			/* where it happened, when inside a branch */
	char	   *activity;
	int			attempt;		/* 0: no activity's */
	Jsonb	   *heartbeat;		/* details of the attempt's last heartbeat; may be NULL */
} OwFailure;

/* ASL's names; https://states-language.net, "Appendix A: Predefined Error Codes" */
#define OW_ERROR_ALL "States.ALL"
#define OW_ERROR_TIMEOUT "States.Timeout"
#define OW_ERROR_HEARTBEAT_TIMEOUT "States.HeartbeatTimeout"
#define OW_ERROR_TASK_FAILED "States.TaskFailed"
#define OW_ERROR_PERMISSIONS "States.Permissions"
#define OW_ERROR_RESULT_PATH "States.ResultPathMatchFailure"
#define OW_ERROR_PARAMETER_PATH "States.ParameterPathFailure"
#define OW_ERROR_INTRINSIC "States.IntrinsicFailure"
#define OW_ERROR_NO_CHOICE "States.NoChoiceMatched"
#define OW_ERROR_RUNTIME "States.Runtime"
#define OW_ERROR_DATA_LIMIT "States.DataLimitExceeded"
#define OW_ERROR_BRANCH_FAILED "States.BranchFailed"
#define OW_ERROR_TOLERATED_FAILURES "States.ExceedToleratedFailureThreshold"
#define OW_ERROR_QUERY_EVALUATION "States.QueryEvaluationError"
/* Ours */
#define OW_ERROR_INVALID_INPUT "OW.InvalidInput"
#define OW_ERROR_INVALID_OUTPUT "OW.InvalidOutput"
#define OW_ERROR_UPDATE_REJECTED "OW.UpdateRejected"
#define OW_ERROR_UPDATE_DROPPED "OW.UpdateDropped"
#define OW_CAUSE_UPDATE_DROPPED "the run closed before a state took the update"
#define OW_ERROR_CANCELED "OW.Canceled"
#define OW_ERROR_NO_LEASE "OW.NoLease"
#define OW_ERROR_TRANSITION_LIMIT "OW.TransitionLimitExceeded"
#define OW_ERROR_VERSION "OW.VersionNotSupported"
#define OW_ERROR_CIRCUIT_OPEN "OW.CircuitOpen"
#define OW_ERROR_ALREADY_STARTED "OW.WorkflowExecutionAlreadyStarted"
#define OW_ERROR_EXECUTION_NOT_FOUND "OW.WorkflowExecutionNotFound"
#define OW_ERROR_WORKFLOW_NOT_FOUND "OW.WorkflowNotFound"
#define OW_ERROR_SIGNAL_NOT_DECLARED "OW.SignalNotDeclared"
#define OW_ERROR_CHILD_CANCELED "OW.ChildWorkflowCanceled"
#define OW_ERROR_CHILD_TERMINATED "OW.ChildWorkflowTerminated"

/* Fills *failure and returns false, so that callers write: return ow_fail(failure, …) */
extern bool ow_fail(OwFailure *failure, const char *error, const char *cause_format, ...) pg_attribute_printf(3, 4);

#endif							/* OW_FAILURE_H */
