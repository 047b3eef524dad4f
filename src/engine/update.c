/*
 * update.c
 *		Updates, from any session.
 *
 *		drive		lock and load the run, note the id, hand the update over, drive, flush
 *		store		what could not be handed over: a message, which an executor takes in
 *
 * Unlike an answer (answer.c), an update that fails is its sender's to send again: so errors are raised, and no
 * subtransaction is needed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/answer.h"
#include "engine/batch.h"
#include "engine/clock.h"
#include "engine/update.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "store/run.h"
#include "store/start.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "worker/wakeup.h"

typedef struct Driving
{
	OwUpdateSending *sending;
	OwMessage	message;
	OwLoadedRun *loaded;		/* NULL: it has closed */
	bool		known;
} Driving;

static Jsonb *
message_payload(const OwUpdateSending *sending)
{
	OwObject	object;

	ow_object_begin(&object);
	ow_object_add_text(&object, "update", sending->name);
	ow_object_add_text(&object, "update_id", sending->update_id);
	ow_object_add(&object, "payload", sending->payload);
	ow_object_add_text(&object, "chain_id", ow_uuid_to_cstring(&sending->run->chain_id));
	return ow_object_end(&object);
}

static bool
note(const OwUpdateSending *sending)
{
	return ow_update_note(sending->run, sending->update_id, sending->name, sending->payload);
}

/* With the run locked.  After the messages that are there: they were sent before. */
static void
hand_over(List *runs, void *arg)
{
	Driving    *driving = arg;

	if (runs == NIL)
		return;
	driving->loaded = linitial(runs);
	driving->known = !note(driving->sending);
	if (!driving->known)
		driving->loaded->messages = lappend(driving->loaded->messages, &driving->message);
}

static void
take_outcome(Driving *driving)
{
	OwUpdateSending *sending = driving->sending;
	ListCell   *cell;

	sending->fate = OW_UPDATE_PENDING;
	foreach(cell, driving->loaded->run.update_outcomes)
	{
		const OwUpdateOutcome *outcome = lfirst(cell);

		if (strcmp(outcome->update_id, sending->update_id) != 0 || outcome->status == OW_UPDATE_ACCEPTED)
			continue;
		sending->fate = OW_UPDATE_SETTLED;
		sending->outcome = *outcome;
	}
}

/* False: the update must be stored. */
static bool
drive(OwUpdateSending *sending)
{
	OwRunRef	ref = sending->run->ref;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "order_workflow batch", ALLOCSET_DEFAULT_SIZES);
	Driving		driving = {.sending = sending};
	OwDriveRest rest;

	ow_run_id_make(ref.shard_key, 0, &driving.message.message_id);
	driving.message.kind = OW_INPUT_UPDATE;
	driving.message.sent_by = unconstify(char *, quote_identifier(GetUserNameFromId(GetUserId(), false)));
	driving.message.sent_at = ow_clock_now();
	driving.message.payload = message_payload(sending);
	driving.message.handed_over = true;
	ow_engine_drive_outside(&ref, 1, true, context, hand_over, &driving, &rest);
	if (driving.known)
		sending->fate = OW_UPDATE_KNOWN;
	else if (driving.loaded == NULL || (rest.alone == NIL && !driving.message.taken))
		sending->fate = OW_UPDATE_NO_RUN;
	else if (rest.alone != NIL)
		return false;
	else
		take_outcome(&driving);
	return true;
}

static void
store(OwUpdateSending *sending)
{
	(void) ow_message_send(sending->run, "Update", NULL, message_payload(sending), GetUserId());
	sending->fate = OW_UPDATE_PENDING;
}

void
ow_engine_update(OwUpdateSending *sending)
{
	if (ow_engine_may_drive())
	{
		if (!drive(sending))
			store(sending);
	}
	else if (note(sending))
		store(sending);
	else
		sending->fate = OW_UPDATE_KNOWN;
}
