/*
 * reply.c
 *		How mocked tasks and children end, later: messages that wait for the test's clock.
 *
 * Other runs go on meanwhile.  Whoever has a mocked task sends heartbeats while he is at it, but when it is one that never
 * answers, for which no reply waits here.
 */
#include "postgres.h"

#include "engine/clock.h"
#include "machine/json.h"
#include "store/find.h"
#include "store/heartbeat.h"
#include "store/task.h"
#include "test_kit/kit_internal.h"
#include "utils/timestamp.h"

static void
send(const OwTestReply *reply)
{
	if (reply->of_task && !ow_task_is_queued(&reply->held.task_token))
		return;					/* timed out, or nobody waits any more */
	(void) ow_message_store(&reply->run, reply->owner, reply->kind, reply->of_task ? &reply->held.task_token : NULL,
							reply->payload, reply->owner);
}

/* One that is due already is sent at once, but to a run that is being driven: all of children. */
void
ow_test_reply(OwTestKit *kit, const OwTestReply *new_reply)
{
	MemoryContext previous;
	OwTestReply *reply;

	if (new_reply->of_task && new_reply->at <= ow_clock_now())
	{
		send(new_reply);
		return;
	}
	previous = MemoryContextSwitchTo(kit->context);
	reply = memcpy(palloc(sizeof(OwTestReply)), new_reply, sizeof(OwTestReply));
	reply->payload = ow_json_copy(new_reply->payload);
	kit->replies = lappend(kit->replies, reply);
	MemoryContextSwitchTo(previous);
}

/* Sends what is due, and tells when the next reply is; true when something was sent. */
bool
ow_test_send_replies(OwTestKit *kit, TimestampTz *next)
{
	bool		sent = false;
	ListCell   *cell;

	*next = DT_NOEND;
	foreach(cell, kit->replies)
	{
		const OwTestReply *reply = lfirst(cell);

		if (reply->at > ow_clock_now())
		{
			*next = Min(*next, reply->at);
			continue;
		}
		kit->replies = foreach_delete_current(kit->replies, cell);
		send(reply);
		sent = true;
	}
	return sent;
}

OwTestReply *
ow_test_find_reply(const OwTestKit *kit, const OwRunRef *child)
{
	ListCell   *cell;

	foreach(cell, kit->replies)
	{
		OwTestReply *reply = lfirst(cell);

		if (!reply->of_task && memcmp(&reply->child, child, sizeof(OwRunRef)) == 0)
			return reply;
	}
	return NULL;
}

void
ow_test_keep_beating(const OwTestKit *kit)
{
	OwHeartbeat *beats = palloc0(sizeof(OwHeartbeat) * Max(list_length(kit->replies), 1));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, kit->replies)
	{
		const OwTestReply *reply = lfirst(cell);

		if (reply->beats)
			beats[count++].held = reply->held;
	}
	ow_heartbeats_note(beats, count);
}
