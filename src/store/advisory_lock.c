/*
 * advisory_lock.c
 *		Locks on what is no row, until the transaction ends.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "store/advisory_lock.h"

void
ow_advisory_lock(OwAdvisoryLock kind, uint32 key1, uint32 key2, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, key1, key2, kind);
	(void) LockAcquire(&tag, mode, false, false);
}

bool
ow_advisory_try_lock(OwAdvisoryLock kind, uint32 key1, uint32 key2)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, key1, key2, kind);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}
