/*
 * errors.h
 *		SQLSTATEs of our own: class "OW".
 *
 * Standard codes are used wherever one says it (insufficient_privilege, invalid_parameter_value …);
 * these are what an application wants to tell apart.  doc/reference.md lists them; never reuse a number.
 */
#ifndef OW_ERRORS_H
#define OW_ERRORS_H

#include "utils/elog.h"

/* OW0xx: what was asked for is not there, or not so */
#define ERRCODE_OW_INVALID_DEFINITION		MAKE_SQLSTATE('O','W','0','0','1')
#define ERRCODE_OW_WORKFLOW_NOT_FOUND		MAKE_SQLSTATE('O','W','0','0','2')
#define ERRCODE_OW_ACTIVITY_NOT_REGISTERED	MAKE_SQLSTATE('O','W','0','0','3')
#define ERRCODE_OW_ALREADY_STARTED			MAKE_SQLSTATE('O','W','0','0','4')
#define ERRCODE_OW_EXECUTION_NOT_FOUND		MAKE_SQLSTATE('O','W','0','0','5')
#define ERRCODE_OW_VERSION_NOT_FOUND		MAKE_SQLSTATE('O','W','0','0','6')
#define ERRCODE_OW_NOT_CLOSED				MAKE_SQLSTATE('O','W','0','0','8')
#define ERRCODE_OW_ALREADY_CLOSED			MAKE_SQLSTATE('O','W','0','0','9')
#define ERRCODE_OW_WAIT_TIMEOUT				MAKE_SQLSTATE('O','W','0','1','0')
#define ERRCODE_OW_INVALID_STATUS			MAKE_SQLSTATE('O','W','0','1','2')
#define ERRCODE_OW_INVALID_PAYLOAD			MAKE_SQLSTATE('O','W','0','1','3')
#define ERRCODE_OW_SIGNAL_NOT_DECLARED		MAKE_SQLSTATE('O','W','0','1','4')
#define ERRCODE_OW_QUERY_NOT_DECLARED		MAKE_SQLSTATE('O','W','0','1','5')
#define ERRCODE_OW_QUERY_FAILED				MAKE_SQLSTATE('O','W','0','1','6')
#define ERRCODE_OW_VERSION_RETIRED			MAKE_SQLSTATE('O','W','0','2','0')
#define ERRCODE_OW_VERSION_IN_USE			MAKE_SQLSTATE('O','W','0','2','1')
#define ERRCODE_OW_BATCH_NOT_FOUND			MAKE_SQLSTATE('O','W','0','3','0')
#define ERRCODE_OW_UPDATE_NOT_DECLARED		MAKE_SQLSTATE('O','W','0','4','1')
#define ERRCODE_OW_UPDATE_REJECTED			MAKE_SQLSTATE('O','W','0','4','2')
#define ERRCODE_OW_UPDATE_FAILED			MAKE_SQLSTATE('O','W','0','4','3')
#define ERRCODE_OW_UPDATE_NOT_FOUND			MAKE_SQLSTATE('O','W','0','4','4')

/* OW1xx: how an execution ended, raised to those who ask for its result */
#define ERRCODE_OW_WORKFLOW_FAILED			MAKE_SQLSTATE('O','W','1','0','1')
#define ERRCODE_OW_WORKFLOW_CANCELED		MAKE_SQLSTATE('O','W','1','0','2')
#define ERRCODE_OW_WORKFLOW_TERMINATED		MAKE_SQLSTATE('O','W','1','0','3')
#define ERRCODE_OW_WORKFLOW_TIMED_OUT		MAKE_SQLSTATE('O','W','1','0','4')

/* OW2xx: activities */
#define ERRCODE_OW_ACTIVITY_ERROR			MAKE_SQLSTATE('O','W','2','0','1')	/* workflow.throw */
#define ERRCODE_OW_NO_CURRENT_ACTIVITY		MAKE_SQLSTATE('O','W','2','0','2')
#define ERRCODE_OW_INVALID_INPUT			MAKE_SQLSTATE('O','W','2','0','4')

/* OW3xx: the engine */
#define ERRCODE_OW_ENGINE_QUARANTINED		MAKE_SQLSTATE('O','W','3','0','1')
#define ERRCODE_OW_ENGINE_NOT_AVAILABLE		MAKE_SQLSTATE('O','W','3','0','2')
#define ERRCODE_OW_UNMOCKED_ACTIVITY		MAKE_SQLSTATE('O','W','3','0','3')
#define ERRCODE_OW_WORKER_DRAINING			MAKE_SQLSTATE('O','W','3','0','4')

#endif							/* OW_ERRORS_H */
