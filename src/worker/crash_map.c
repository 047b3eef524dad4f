/*
 * crash_map.c
 *		Who was running which activity when the server went down.
 *
 * The postmaster maps the file, executors inherit the mapping and write their own note, at the number
 * of their slot.  After a crash the postmaster sets up shared memory again, and on that occasion moves
 * the notes that are not marked to ow_shared_suspects, from where the scanner of the database charges
 * them; by then all children are gone, so nobody writes.
 *
 * A note counts only when a process of ours is known to have crashed: when the postmaster that finds
 * it is the one that made the map, or that one has come to an orderly end after the crash
 * (restart_after_crash = off), which it leaves word of in the header.  After a power loss, or when the
 * postmaster itself was killed, notes say nothing about who is to blame.
 *
 * Without the file (no space, no permission) there is no attribution, and everything else works.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "worker/crash_map.h"
#include "worker/shared.h"
#include "worker/slot.h"

#define MAP_PATH PG_STAT_TMP_DIR "/order_workflow.crash"
#define MAP_MAGIC 0x4f574d31	/* to be changed with the format */

typedef enum NoteState
{
	NOTE_EMPTY,					/* a new file is full of these: zero */
	NOTE_RUNNING,
	NOTE_VICTIM
} NoteState;

typedef struct CrashNote
{
	volatile uint32 state;
	OwCrashSuspect suspect;
} CrashNote;

typedef struct CrashMap
{
	uint32		magic;
	uint32		n_notes;
	uint32		note_size;
	uint32		orderly_end;	/* the postmaster left by proc_exit */
	CrashNote	notes[FLEXIBLE_ARRAY_MEMBER];
} CrashMap;

static CrashMap *map;

static Size map_size(void);
static bool map_file(void);
static int	open_file(void);
static bool is_valid(const CrashMap *candidate);
static void collect_suspects(void);
static void clear_map(void);
static void note_orderly_end(int code, Datum arg);

/*
 * Maps the file, the first time, and collects what a crash left.
 */
void
ow_crash_map_startup(void)
{
	bool		same_postmaster = map != NULL;

	if (!IsPostmasterEnvironment || IsBinaryUpgrade)
		return;
	if (!same_postmaster && !map_file())
		return;

	if (same_postmaster || (is_valid(map) && map->orderly_end))
		collect_suspects();
	clear_map();

	if (!same_postmaster)
		on_proc_exit(note_orderly_end, 0);
}

static Size
map_size(void)
{
	return offsetof(CrashMap, notes) + ow_shared->n_slots * sizeof(CrashNote);
}

static bool
map_file(void)
{
	int			fd = open_file();
	void	   *address;

	if (fd < 0)
		return false;

	address = mmap(NULL, map_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (address == MAP_FAILED)
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\": %m", MAP_PATH)));
	else
		map = address;
	CloseTransientFile(fd);
	return map != NULL;
}

/*
 * Opens the file and gives it its size, with real blocks: a sparse one could fail when written to.
 */
static int
open_file(void)
{
	int			fd = OpenTransientFile(MAP_PATH, O_RDWR | O_CREAT | PG_BINARY);
	int			error;

	if (fd < 0)
	{
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", MAP_PATH),
				 errdetail("Activities that crash the server will not be found out.")));
		return -1;
	}

	error = posix_fallocate(fd, 0, map_size());
	if (error != 0)
	{
		errno = error;
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not extend file \"%s\": %m", MAP_PATH),
				 errdetail("Activities that crash the server will not be found out.")));
		CloseTransientFile(fd);
		return -1;
	}
	return fd;
}

static bool
is_valid(const CrashMap *candidate)
{
	return candidate->magic == MAP_MAGIC && candidate->note_size == sizeof(CrashNote) &&
		candidate->n_notes == (uint32) ow_shared->n_slots;
}

/*
 * Moves the notes of those who were not victims to where scanners find them.
 */
static void
collect_suspects(void)
{
	int			found = 0;

	for (int i = 0; i < ow_shared->n_slots; i++)
	{
		if (map->notes[i].state != NOTE_RUNNING)
			continue;
		map->notes[i].suspect.activity[sizeof(map->notes[i].suspect.activity) - 1] = '\0';
		ow_shared_suspects[found].suspect = map->notes[i].suspect;
		ow_shared_suspects[found].attempts = 0;
		ereport(LOG,
				(errmsg("workflow activity \"%s\" was running when the server crashed",
						map->notes[i].suspect.activity)));
		found++;
	}
}

static void
clear_map(void)
{
	memset(map, 0, map_size());
	map->magic = MAP_MAGIC;
	map->n_notes = ow_shared->n_slots;
	map->note_size = sizeof(CrashNote);
}

static void
note_orderly_end(int code, Datum arg)
{
	map->orderly_end = 1;
}

/*
 * Notes that this executor is about to run an activity.
 */
void
ow_crash_map_enter(Oid owner, const OwRunRef *run, const char *activity)
{
	CrashNote  *note;

	if (map == NULL || ow_slot_mine == OW_NONE)
		return;

	note = &map->notes[ow_slot_mine];
	note->state = NOTE_EMPTY;
	pg_write_barrier();
	note->suspect.database = MyDatabaseId;
	note->suspect.owner = owner;
	note->suspect.run = *run;
	strlcpy(note->suspect.activity, activity, sizeof(note->suspect.activity));
	pg_write_barrier();
	note->state = NOTE_RUNNING;
}

/*
 * Notes that the activity is over.
 */
void
ow_crash_map_leave(void)
{
	if (map != NULL && ow_slot_mine != OW_NONE)
		map->notes[ow_slot_mine].state = NOTE_EMPTY;
}

/*
 * Marks this executor as a victim, and exits as SignalHandlerForCrashExit does: without any clean-up,
 * since shared memory may be corrupt.
 */
void
ow_crash_map_quickdie(int signo)
{
	if (map != NULL && ow_slot_mine != OW_NONE && map->notes[ow_slot_mine].state == NOTE_RUNNING)
		map->notes[ow_slot_mine].state = NOTE_VICTIM;
	_exit(2);
}
