/*
 * session.h
 *		A worker's session in a database.  Private to src/worker.
 */
#ifndef OW_SESSION_H
#define OW_SESSION_H

/* Connects, as the role (InvalidOid: the bootstrap superuser), and sets the engine's own settings */
extern void ow_session_start(Oid database, Oid role, const char *application_name);

#endif							/* OW_SESSION_H */
