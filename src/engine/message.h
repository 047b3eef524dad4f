/*
 * message.h
 *		What a message is to the machine of its run.
 */
#ifndef OW_ENGINE_MESSAGE_H
#define OW_ENGINE_MESSAGE_H

#include "store/run.h"

/* Is it for all that the run is at of an activity now, rather than for one token? */
extern bool ow_message_is_control(const OwMessage *message);

/* Fills the input, and the failure that it may point to; false when nobody waits for the message any more. */
extern bool ow_message_input(const OwRun *run, const OwMessage *message, OwInput *input, OwFailure *failure);

#endif							/* OW_ENGINE_MESSAGE_H */
