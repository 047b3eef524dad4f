/*
 * session.c
 *		A worker's session in a database.
 *
 * Called by executors and scanners, once.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/guc.h"

#include "worker/session.h"

static void apply_settings(const char *application_name);

/*
 * Connects.
 */
void
ow_session_start(Oid database, Oid role, const char *application_name)
{
	Oid			expected = OidIsValid(role) ? role : BOOTSTRAP_SUPERUSERID;

	BackgroundWorkerInitializeConnectionByOid(database, role, 0);
	apply_settings(application_name);

	if (GetSessionUserId() != expected || GetUserId() != expected)
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("settings of the role or the database change the session's user")));
}

/*
 * Undoes settings of the role or the database that would get in the engine's way.
 *
 * With this source they are also what RESET goes back to, and a reload does not change them.  What is
 * the user's choice (search_path, work_mem, TimeZone …) stays as the role has it: activities find the
 * same session as the role's other ones.
 */
static void
apply_settings(const char *application_name)
{
	static const char *const settings[][2] = {
		{"role", "none"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"row_security", "on"},
		{"exit_on_error", "off"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", application_name, PGC_SUSET, PGC_S_OVERRIDE);
}
