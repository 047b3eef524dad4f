/*
 * machine_names.c
 *		The names under which the machine's enums appear in tables and views.
 */
#include "postgres.h"

#include "machine/machine.h"

static const char *const status_names[] = {
	[OW_STATUS_RUNNING] = "Running",
	[OW_STATUS_PAUSED] = "Paused",
	[OW_STATUS_STUCK] = "Stuck",
	[OW_STATUS_COMPLETED] = "Completed",
	[OW_STATUS_FAILED] = "Failed",
	[OW_STATUS_CANCELED] = "Canceled",
	[OW_STATUS_TERMINATED] = "Terminated",
	[OW_STATUS_TIMED_OUT] = "TimedOut",
	[OW_STATUS_CONTINUED_AS_NEW] = "ContinuedAsNew"
};

static const char *const phase_names[] = {
	[OW_PHASE_NEW] = "New",
	[OW_PHASE_ENTER] = "Enter",
	[OW_PHASE_ACTIVITY] = "Activity",
	[OW_PHASE_BACKOFF] = "Backoff",
	[OW_PHASE_CIRCUIT_OPEN] = "CircuitOpen",
	[OW_PHASE_WAIT] = "Wait",
	[OW_PHASE_COMPENSATE] = "Compensate",
	[OW_PHASE_COMPENSATE_BACKOFF] = "CompensateBackoff",
	[OW_PHASE_COMPENSATE_CIRCUIT_OPEN] = "CompensateCircuitOpen",
	[OW_PHASE_EXIT] = "Exit",
	[OW_PHASE_CALLBACK] = "Callback",
	[OW_PHASE_BRANCHES] = "Branches",
	[OW_PHASE_QUEUED] = "Queued",
	[OW_PHASE_COMPENSATE_QUEUED] = "CompensateQueued",
	[OW_PHASE_AWAIT] = "Await",
	[OW_PHASE_REQUEST] = "Request",
	[OW_PHASE_CLOSED] = "Closed"
};

static const char *const branch_names[] = {
	[OW_BRANCH_RUNNING] = "Running",
	[OW_BRANCH_COMPLETED] = "Completed",
	[OW_BRANCH_FAILED] = "Failed"
};

static const char *const compensation_names[] = {
	[OW_COMPENSATION_RECORDED] = "Recorded",
	[OW_COMPENSATION_COMPLETED] = "Completed",
	[OW_COMPENSATION_FAILED] = "Failed",
	[OW_COMPENSATION_DROPPED] = "Dropped"
};

static int
find_name(const char *const *names, int count, const char *name, const char *what)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	elog(ERROR, "unrecognized %s \"%s\"", what, name);
}

const char *
ow_status_name(OwStatus status)
{
	return status_names[status];
}

OwStatus
ow_status_from_name(const char *name)
{
	return find_name(status_names, lengthof(status_names), name, "status");
}

const char *
ow_phase_name(OwPhase phase)
{
	return phase_names[phase];
}

OwPhase
ow_phase_from_name(const char *name)
{
	return find_name(phase_names, lengthof(phase_names), name, "phase");
}

const char *
ow_branch_status_name(OwBranchStatus status)
{
	return branch_names[status];
}

const char *
ow_compensation_status_name(OwCompensationStatus status)
{
	return compensation_names[status];
}

OwCompensationStatus
ow_compensation_status_from_name(const char *name)
{
	return find_name(compensation_names, lengthof(compensation_names), name, "compensation status");
}
