/*
 * slot.c
 *		Slots of worker processes, and holds that keep workers out of a database.
 *
 * A slot's life: the launcher reserves it (STARTING) and asks the postmaster for a process, which
 * attaches (RUNNING), at some time takes no more work (LEAVING), and as its last act but one gives it
 * up (ENDED): after its transaction is aborted and it has left the array of running processes, so
 * that this means nobody is in the database any more.  Once the postmaster has seen it go, too, the
 * launcher frees the slot.  The generation keeps a process that comes late, when the launcher has
 * given the slot back, out of somebody else's.
 *
 * A hold is entered before the slots are looked at, and both reserving and attaching look at the
 * holds under the lock: so once those there have gone, no other can come.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "worker/crash_map.h"
#include "worker/pool.h"
#include "worker/ring.h"
#include "worker/slot.h"

/* A worker that dies sooner than this after its start counts as a failed start */
#define EARLY_DEATH_MS 5000
/* Those asked to leave have this long before they are terminated, and this long in all */
#define GRACE_MS 1000
#define STOP_TIMEOUT_MS 30000
#define STOP_POLL_MS 50

int			ow_slot_mine = OW_NONE;

static bool holds_any = false;
static emit_log_hook_type previous_log_hook;

static bool pool_is_of(int pool, Oid database, Oid role);
static int	find_free_slot(void);
static void init_slot(OwSlot *slot, OwSlotKind kind, Oid database, Oid role);
static void join_pool(OwSlot *slot, int pool_no);
static void give_up_at_exit(int code, Datum arg);
static void give_up(OwSlot *slot);
static bool died_early(OwSlot *slot, int code);
static void note_last_words(ErrorData *edata);
static int	ask_database_to_leave(Oid database, bool terminate);

/*
 * Reserves a slot; OW_NONE when there is none, the database is held, or the pool has been given to
 * somebody else since the launcher looked at it.
 */
int
ow_slot_reserve(OwSlotKind kind, Oid database, Oid role, int pool, uint32 *generation)
{
	int			reserved = OW_NONE;

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	if (!ow_slot_is_held(database) && (pool == OW_NONE || pool_is_of(pool, database, role)))
		reserved = find_free_slot();
	if (reserved != OW_NONE)
	{
		OwSlot	   *slot = &ow_shared_slots[reserved];

		init_slot(slot, kind, database, role);
		*generation = slot->generation;
		if (pool != OW_NONE)
			join_pool(slot, pool);
	}
	LWLockRelease(ow_shared->lock);
	return reserved;
}

static bool
pool_is_of(int pool, Oid database, Oid role)
{
	return ow_shared_pools[pool].in_use && ow_shared_pools[pool].database == database &&
		ow_shared_pools[pool].role == role;
}

static int
find_free_slot(void)
{
	for (int i = 0; i < ow_shared->n_slots; i++)
	{
		if (ow_shared_slots[i].state == OW_SLOT_FREE)
			return i;
	}
	return OW_NONE;
}

static void
init_slot(OwSlot *slot, OwSlotKind kind, Oid database, Oid role)
{
	Assert(slot->state == OW_SLOT_FREE);

	slot->state = OW_SLOT_STARTING;
	slot->kind = kind;
	slot->generation++;
	slot->database = database;
	slot->role = role;
	slot->pool = OW_NONE;
	slot->pid = 0;
	slot->pgprocno = OW_NONE;
	pg_atomic_write_u32(&slot->asked, 0);
	pg_atomic_write_u32(&slot->is_long, 0);
	slot->rest = OW_REST_BUSY;
	slot->connected = false;
	slot->done = false;
	slot->started_at = GetCurrentTimestamp();
	slot->last_batch_at = 0;
	slot->batches = 0;
	slot->runs = 0;
	slot->terminated = false;
	slot->error[0] = '\0';
}

static void
join_pool(OwSlot *slot, int pool_no)
{
	OwPool	   *pool = &ow_shared_pools[pool_no];

	slot->pool = pool_no;
	SpinLockAcquire(&pool->mutex);
	pool->executors++;
	pool->told = false;
	pool->waiting_since = 0;
	SpinLockRelease(&pool->mutex);
}

/*
 * Frees the slot of a process that has ended, or that never came.
 */
void
ow_slot_free(int slot_no, uint32 generation, const char *reason)
{
	OwSlot	   *slot = &ow_shared_slots[slot_no];

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	if (slot->state == OW_SLOT_STARTING && slot->generation == generation)
	{
		if (slot->pool != OW_NONE)
			ow_ring_note_failure(&ow_shared_pools[slot->pool], reason, true);
		give_up(slot);
	}
	if (slot->state == OW_SLOT_ENDED)
		slot->state = OW_SLOT_FREE;
	LWLockRelease(ow_shared->lock);
	ConditionVariableBroadcast(&ow_shared->slot_freed);
}

/*
 * Tells whether there is a process in the slot, or one may come.
 */
bool
ow_slot_is_used(const OwSlot *slot)
{
	return slot->state != OW_SLOT_FREE && slot->state != OW_SLOT_ENDED;
}

/*
 * Makes this process the slot's.  Called before it connects, so that whatever happens then is seen.
 */
bool
ow_slot_attach(int slot_no, uint32 generation)
{
	OwSlot	   *slot = &ow_shared_slots[slot_no];
	bool		wanted;

	on_shmem_exit(give_up_at_exit, 0);
	previous_log_hook = emit_log_hook;
	emit_log_hook = note_last_words;

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	wanted = slot->state == OW_SLOT_STARTING && slot->generation == generation;
	if (wanted)
	{
		slot->state = OW_SLOT_RUNNING;
		slot->pid = MyProcPid;
		slot->pgprocno = MyProc->pgprocno;
		slot->started_at = GetCurrentTimestamp();
		ow_slot_mine = slot_no;
		if (ow_slot_is_held(slot->database))
			pg_atomic_fetch_or_u32(&slot->asked, OW_ASK_LEAVE);
	}
	LWLockRelease(ow_shared->lock);
	return wanted;
}

void
ow_slot_note_connected(void)
{
	ow_shared_slots[ow_slot_mine].connected = true;
}

/*
 * Notes that this process is done.  An executor has left its pool already.
 */
void
ow_slot_note_leaving(void)
{
	OwSlot	   *slot = &ow_shared_slots[ow_slot_mine];

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	slot->state = OW_SLOT_LEAVING;
	slot->done = true;
	slot->pool = OW_NONE;
	LWLockRelease(ow_shared->lock);
}

uint32
ow_slot_asked(void)
{
	return pg_atomic_read_u32(&ow_shared_slots[ow_slot_mine].asked);
}

void
ow_slot_ask(int slot_no, uint32 what)
{
	pg_atomic_fetch_or_u32(&ow_shared_slots[slot_no].asked, what);
	ow_shared_wake(ow_shared_slots[slot_no].pgprocno);
}

/*
 * Gives up the slot of this process, which exits.
 */
static void
give_up_at_exit(int code, Datum arg)
{
	OwSlot	   *slot;

	if (ow_slot_mine == OW_NONE)
		return;
	slot = &ow_shared_slots[ow_slot_mine];
	disable_all_timeouts(false);	/* their handlers use the slot */
	ow_crash_map_leave();

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	if (slot->pool != OW_NONE && died_early(slot, code))
		ow_ring_note_failure(&ow_shared_pools[slot->pool],
							 slot->error[0] != '\0' ? slot->error : OW_UNKNOWN_FAILURE,
							 !slot->terminated);
	give_up(slot);
	LWLockRelease(ow_shared->lock);

	ow_slot_mine = OW_NONE;
	ConditionVariableBroadcast(&ow_shared->slot_freed);
	ow_shared_wake(ow_shared->launcher);
}

/*
 * Ends a slot's use, with the lock held.
 */
static void
give_up(OwSlot *slot)
{
	if (slot->pool != OW_NONE)
		ow_ring_abandon(&ow_shared_pools[slot->pool], slot - ow_shared_slots);
	slot->state = OW_SLOT_ENDED;
	slot->pool = OW_NONE;
	slot->pid = 0;
	slot->pgprocno = OW_NONE;
}

/*
 * Tells whether a start of the same again would most likely end the same way.
 */
static bool
died_early(OwSlot *slot, int code)
{
	if (code == 0 || pg_atomic_read_u32(&slot->asked) != 0)
		return false;
	return !slot->connected ||
		!TimestampDifferenceExceeds(slot->started_at, GetCurrentTimestamp(), EARLY_DEATH_MS);
}

/*
 * Keeps the message this process dies of, as the reason that views show.
 */
static void
note_last_words(ErrorData *edata)
{
	if (edata->elevel >= FATAL && ow_slot_mine != OW_NONE && edata->message != NULL)
	{
		OwSlot	   *slot = &ow_shared_slots[ow_slot_mine];

		strlcpy(slot->error, edata->message, OW_REASON_LEN);
		slot->terminated = edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN;
	}
	if (previous_log_hook)
		previous_log_hook(edata);
}

/*
 * Keeps new workers out of a database till this transaction ends.
 */
void
ow_slot_hold_database(Oid database)
{
	OwHold	   *free_hold = NULL;

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < OW_MAX_HOLDS && free_hold == NULL; i++)
	{
		if (!OidIsValid(ow_shared->holds[i].database))
			free_hold = &ow_shared->holds[i];
	}
	if (free_hold != NULL)
	{
		holds_any = true;
		free_hold->database = database;
		free_hold->pid = MyProcPid;
	}
	LWLockRelease(ow_shared->lock);

	if (free_hold == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many commands at once that need a database without workflow executors"),
				 errhint("Try again when other such commands have ended.")));
}

/*
 * Releases this backend's holds.  No errors: for the end of a transaction.
 */
void
ow_slot_release_holds(void)
{
	if (!holds_any)
		return;

	LWLockAcquire(ow_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < OW_MAX_HOLDS; i++)
	{
		if (ow_shared->holds[i].pid != MyProcPid)
			continue;
		ow_shared->holds[i].database = InvalidOid;
		ow_shared->holds[i].pid = 0;
	}
	LWLockRelease(ow_shared->lock);
	holds_any = false;
	ow_shared_wake(ow_shared->launcher);
}

bool
ow_slot_is_held(Oid database)
{
	for (int i = 0; i < OW_MAX_HOLDS; i++)
	{
		if (ow_shared->holds[i].database == database)
			return true;
	}
	return false;
}

/*
 * Sends the workers of a database away, and waits until they are gone.
 *
 * Most are between two short transactions and leave at once; one in a long activity is terminated,
 * which rolls the activity back.  When even that does not help, the command that wanted this goes on,
 * and says itself what is in its way.
 */
void
ow_slot_stop_database(Oid database)
{
	TimestampTz start = GetCurrentTimestamp();
	bool		terminate = false;

	ConditionVariablePrepareToSleep(&ow_shared->slot_freed);
	while (ask_database_to_leave(database, terminate) > 0)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (TimestampDifferenceExceeds(start, now, STOP_TIMEOUT_MS))
			break;
		terminate = TimestampDifferenceExceeds(start, now, GRACE_MS);
		(void) ConditionVariableTimedSleep(&ow_shared->slot_freed, STOP_POLL_MS, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/*
 * Asks the workers of a database to leave; returns how many there are, other than this process.
 *
 * A process gives up its slot before it ends, so one in a slot can safely be signalled while
 * the lock keeps it from doing so.
 */
static int
ask_database_to_leave(Oid database, bool terminate)
{
	int			count = 0;

	LWLockAcquire(ow_shared->lock, LW_SHARED);
	for (int i = 0; i < ow_shared->n_slots; i++)
	{
		OwSlot	   *slot = &ow_shared_slots[i];

		if (!ow_slot_is_used(slot) || slot->database != database || i == ow_slot_mine)
			continue;
		count++;
		ow_slot_ask(i, OW_ASK_LEAVE);
		if (terminate && slot->pid != 0)
			kill(slot->pid, SIGTERM);
	}
	LWLockRelease(ow_shared->lock);
	return count;
}
