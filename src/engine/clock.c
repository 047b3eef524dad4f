/*
 * clock.c
 *		The engine's clock.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/clock.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

static TimestampTz virtual_now;
static LocalTransactionId virtual_transaction = InvalidLocalTransactionId;

/* The virtual clock ends with the transaction that set it, without a callback. */
bool
ow_clock_is_virtual(void)
{
	return virtual_transaction != InvalidLocalTransactionId && virtual_transaction == MyProc->lxid;
}

TimestampTz
ow_clock_now(void)
{
	return ow_clock_is_virtual() ? virtual_now : GetCurrentTimestamp();
}

void
ow_clock_set_virtual(TimestampTz now)
{
	virtual_now = now;
	virtual_transaction = MyProc->lxid;
}

void
ow_clock_reset(void)
{
	virtual_transaction = InvalidLocalTransactionId;
}
