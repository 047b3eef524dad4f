/*
 * test_kit.h
 *		Driving the runs of one transaction on a virtual clock, with mocked activities.
 *
 * The SQL functions over this belong to the extension order_workflow_test, so production databases
 * have no virtual clock.  All state lives until the end of the transaction that called begin.
 */
#ifndef OW_TEST_KIT_H
#define OW_TEST_KIT_H

#include "engine/engine.h"
#include "machine/machine.h"
#include "store/request.h"

/* A run was started in a transaction on the virtual clock: this session drives it. */
extern void ow_test_kit_started(const OwRunRef *ref);

/* A run of this test has something to do (message, reopened): drive it again. */
extern void ow_test_kit_ready(const OwRunRef *ref);

/* An exploration is the same each time, ids of runs and tokens included: true when it has filled in the bytes. */
extern bool ow_test_kit_fill_random(void *bytes, size_t length);

/* The runs of this test as uuid[]; 0: no test in this session */
extern Datum ow_test_kit_runs(void);

/* What a test says about an activity that is about to run */
typedef enum OwMockVerdict
{
	OW_MOCK_NONE,				/* no test in this session: run it really */
	OW_MOCK_ALLOWED,			/* allow_activity: run it really */
	OW_MOCK_RESULT,
	OW_MOCK_ERROR
} OwMockVerdict;

typedef struct OwMockOutcome
{
	Jsonb	   *result;
	OwFailure	failure;
	bool		timed_out;		/* its duration passes start-to-close */
} OwMockOutcome;

/* Stands for an activity that is mocked but not registered yet; NULL when the test does not mock it */
extern const OwActivity *ow_test_kit_activity(const char *name);

/* Is a child workflow, which is to be started, mocked?  Then its parent will be told what becomes of it. */
extern bool ow_test_kit_mocks_child(const OwMail *mail);

/* Is another workflow, to which a signal or cancel is sent?  failure->error is set when the mock refuses it, else NULL. */
extern bool ow_test_kit_mocks_message(const OwMail *mail, OwFailure *failure);

/*
 * Ask the mocks, and record the call.  A mock's duration moves the virtual clock.  Raises an error
 * for an activity that is neither mocked nor allowed.
 */
extern OwMockVerdict ow_test_kit_mock(const OwActivityCall *call, const OwRun *run, OwMockOutcome *outcome);

#endif							/* OW_TEST_KIT_H */
