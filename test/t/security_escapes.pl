# Activities try to get at more rights than their workflow's owner has: they leave something behind that
# runs later, in the executor's session or at its commit, and lie in wait for the engine's own statements.

use strict;
use warnings;

use WorkerTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('escapes');

# mallory may use the engine and is a member of the harmless role team; victim has a workflow, too.
# What is to be protected is the table treasure.  What runs says as whom it does, in the table seen.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION order_workflow;
	CREATE ROLE team;
	CREATE ROLE mallory LOGIN IN ROLE team;
	CREATE ROLE victim LOGIN;
	SELECT workflow.grant_usage('mallory'), workflow.grant_usage('victim'), workflow.grant_usage('team');
	CREATE TABLE treasure (taken_by text);
	CREATE SCHEMA evil AUTHORIZATION mallory;
	GRANT USAGE, CREATE ON SCHEMA evil TO PUBLIC;

	SET ROLE mallory;
	CREATE TABLE evil.seen (how text, session_user_was text DEFAULT session_user, current_user_was text DEFAULT current_user);
	GRANT INSERT ON evil.seen TO PUBLIC;
	CREATE FUNCTION evil.loot(how text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO evil.seen VALUES (how);
		BEGIN
			INSERT INTO public.treasure VALUES (how);
		EXCEPTION WHEN insufficient_privilege THEN NULL;
		END;
		RETURN how;
	END $$;
	GRANT EXECUTE ON FUNCTION evil.loot TO PUBLIC;
});

# Registers a workflow of one activity, with this body, as mallory; gives its name.
sub register
{
	my ($name, $body) = @_;

	$node->safe_psql(
		'postgres', qq{
		SET ROLE mallory;
		CREATE FUNCTION evil."$name"(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$body\$
		DECLARE
			ignored text;
		BEGIN
			$body
			PERFORM evil.loot('$name');
			RETURN input;
		END \$body\$;
		SELECT workflow.register_activity('$name', 'evil."$name"(jsonb)');
		SELECT workflow.register('$name', '{"StartAt": "A", "States": {
			"A": {"Type": "Task", "Resource": "$name", "Next": "B", "StartToCloseSeconds": 60},
			"B": {"Type": "Task", "Resource": "$name", "End": true, "StartToCloseSeconds": 60}}}'::jsonb)
	});
	return;
}

sub start
{
	my ($name, $role) = @_;

	$node->safe_psql('postgres', "SET ROLE $role; SELECT workflow.start('$name', '{}', '$name by $role')");
	return "$name by $role";
}

sub closes
{
	my ($id) = @_;

	ok( $node->poll_query_until(
			'postgres', "SELECT closed_at IS NOT NULL FROM workflow.get_execution('$id')"),
		"\"$id\" closes");
	return;
}

# Nothing was taken, and nothing ran as somebody else.
sub all_is_well
{
	my ($what) = @_;

	is($node->safe_psql('postgres', 'SELECT * FROM treasure'), '', "$what: nothing is taken");
	is( $node->safe_psql(
			'postgres', q{
			SELECT DISTINCT how, session_user_was, current_user_was FROM evil.seen
			WHERE session_user_was <> 'mallory' OR current_user_was NOT IN ('mallory', 'team')}),
		'', "$what: nothing runs as anybody else");
	return;
}

# Swallows errors, so that the activity goes on to the next attempt.
sub attempts
{
	return join "\n", map { "BEGIN $_ PERFORM evil.loot('attempt'); EXCEPTION WHEN OTHERS THEN NULL; END;" } @_;
}

note 'somebody else\'s identity';

register(
	'identity',
	attempts(
		map { "EXECUTE '$_';" } 'RESET ROLE',
		'RESET SESSION AUTHORIZATION',
		'SET SESSION AUTHORIZATION DEFAULT',
		'SET SESSION AUTHORIZATION postgres',
		'SET SESSION AUTHORIZATION victim',
		'SET ROLE postgres',
		'SET ROLE victim',
		'SET ROLE none',
		'RESET ALL',
		'DISCARD ALL',
		'SET ROLE team'));
closes(start('identity', 'mallory'));
all_is_well('SET ROLE and its like');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM evil.seen WHERE how = 'attempt' AND current_user_was = 'team'}),
	'2', 'SET ROLE to a role one is a member of works, in each activity from the start again');

# Whoever starts it, a superuser even, it runs as its owner.
$node->safe_psql('postgres', 'TRUNCATE evil.seen');
register('plain', '');
closes(start('plain', 'postgres'));
all_is_well('started by a superuser');
is($node->safe_psql('postgres', q{SELECT count(*) FROM evil.seen WHERE how = 'plain'}), '2', 'it did run');

note 'what is left behind for the commit';

$node->safe_psql(
	'postgres', q{
	SET ROLE mallory;
	CREATE FUNCTION evil.triggered() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM evil.loot(TG_NAME::text);
		RETURN NULL;
	END $$;
	CREATE TABLE evil.deferred (id int);
	CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON evil.deferred DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION evil.triggered();
	CREATE CONSTRAINT TRIGGER delayed AFTER INSERT ON evil.deferred DEFERRABLE INITIALLY IMMEDIATE
		FOR EACH ROW EXECUTE FUNCTION evil.triggered();
});
register('deferred trigger', q{
	SET CONSTRAINTS ALL DEFERRED;
	INSERT INTO evil.deferred VALUES (1);});
register('cursor', q{
	EXECUTE format('DECLARE %I CURSOR WITH HOLD FOR SELECT evil.loot(''cursor at commit'') FROM generate_series(1, 3)',
		clock_timestamp());});
register('temporary table', q{
	EXECUTE 'CREATE TEMPORARY TABLE IF NOT EXISTS gone (id int) ON COMMIT DELETE ROWS';
	EXECUTE 'CREATE CONSTRAINT TRIGGER temporary AFTER INSERT OR DELETE ON gone DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION evil.triggered()';
	INSERT INTO gone VALUES (1);});
register('leftovers', q{
	EXECUTE 'LISTEN evil';
	EXECUTE 'PREPARE evil AS SELECT evil.loot(''prepared'')';
	PERFORM pg_advisory_lock(42), set_config('evil.left', 'yes', false);});
foreach my $name ('deferred trigger', 'cursor', 'temporary table', 'leftovers')
{
	closes(start($name, 'mallory'));
	closes(start($name, 'postgres'));
	all_is_well($name);
}
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM evil.seen WHERE how = 'deferred'}),
	't', 'the trigger did run');
register('looks', q{
	INSERT INTO evil.seen
	SELECT 'left behind: ' || what
	FROM (SELECT 'channel' FROM pg_listening_channels()
	      UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements WHERE from_sql
	      UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
	      UNION ALL SELECT 'setting' WHERE current_setting('evil.left', true) <> ''
	      UNION ALL SELECT 'cursor' FROM pg_cursors WHERE is_holdable
	      UNION ALL SELECT 'table' FROM pg_class WHERE relname = 'gone' AND pg_table_is_visible(oid)) AS l (what);});
closes(start('looks', 'mallory'));
is($node->safe_psql('postgres', q{SELECT how FROM evil.seen WHERE how LIKE 'left behind%'}),
	'', 'the next activity finds the session clean');

note 'what lies in wait for the statements of the engine';

# Operators and functions that the engine uses, on the search path of the role from login on; tables of
# the engine's names among the temporary ones.
$node->safe_psql(
	'postgres', q{
	SET ROLE mallory;
	DO $$
	DECLARE
		o record;
		n int := 0;
	BEGIN
		FOR o IN SELECT oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result
		         FROM pg_operator
		         WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname IN ('=', '<>', '<', '>', '<=', '>=', '||')
		           AND oprleft IN ('int4'::regtype, 'int2'::regtype, 'uuid'::regtype, 'text'::regtype, 'oid'::regtype, 'bool'::regtype,
		                           'timestamptz'::regtype)
		           AND oprright IN ('int4'::regtype, 'int2'::regtype, 'uuid'::regtype, 'text'::regtype, 'oid'::regtype,
		                            'bool'::regtype, 'timestamptz'::regtype)
		LOOP
			n := n + 1;
			EXECUTE format('CREATE FUNCTION evil.trap_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', n, o.l, o.r, o.result,
				format('BEGIN PERFORM evil.loot(''trap''); RETURN $1 OPERATOR(pg_catalog.%s) $2; END', o.oprname));
			EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.trap_%s)',
				o.oprname, o.l, o.r, n);
		END LOOP;
	END $$;
	CREATE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS
		$$ BEGIN PERFORM evil.loot('trap'); RETURN QUERY SELECT pg_catalog.unnest($1); END $$;
	CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS
		$$ BEGIN PERFORM evil.loot('trap'); RETURN pg_catalog.clock_timestamp(); END $$;
	ALTER ROLE mallory SET search_path = pg_temp, evil, pg_catalog;
	ALTER ROLE mallory SET row_security = off;
	ALTER ROLE mallory SET default_transaction_read_only = on;
	ALTER ROLE mallory SET default_transaction_isolation = 'serializable';
	ALTER ROLE mallory SET statement_timeout = '1ms';
	ALTER ROLE mallory SET role = team;
});
register('shadow', q{
	DROP TABLE IF EXISTS pg_temp.execution;
	CREATE TEMPORARY TABLE execution (LIKE pg_catalog.pg_class);
	PERFORM set_config('search_path', 'pg_temp, evil, pg_catalog', false);});
# A new executor, which logs in with these settings
$node->safe_psql('postgres',
	q{SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE backend_type = 'order_workflow executor'});
$node->safe_psql('postgres', q{TRUNCATE evil.seen});
closes(start('shadow', 'postgres'));
closes(start('shadow', 'mallory'));
all_is_well('operators, functions and tables that shadow ours');
is($node->safe_psql('postgres', q{SELECT count(*) FROM evil.seen WHERE how = 'trap' AND session_user_was <> 'mallory'}),
	'0', 'the engine never calls them');
is($node->safe_psql('postgres', q{SELECT DISTINCT current_user_was FROM evil.seen WHERE how = 'shadow'}),
	'mallory', 'the owner\'s setting "role" does not change as whom it runs');
$node->safe_psql('postgres', 'ALTER ROLE mallory RESET ALL');

note 'the engine\'s tables, and other people\'s workflows';

$node->safe_psql(
	'postgres', q{
	SET ROLE victim;
	CREATE FUNCTION evil.wait(input jsonb) RETURNS jsonb LANGUAGE sql RETURN input;
	SELECT workflow.register_activity('Wait', 'evil.wait(jsonb)');
	SELECT workflow.register('Victim', '{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": true}}}'::jsonb);
	SELECT workflow.start('Victim', '{"secret": 1}', 'victim');
});
$node->safe_psql('postgres', 'TRUNCATE evil.seen');
register(
	'meddle',
	attempts(
		map { "$_ INTO STRICT ignored;" } "SELECT workflow.cancel('victim')",
		"SELECT workflow.terminate('victim')",
		"SELECT workflow.retry('victim')",
		"SELECT workflow.start('Victim')",
		"SELECT workflow.result('victim')",
		"SELECT workflow.rebuild_state(run_id) FROM workflow.execution",
		"SELECT workflow.register('Victim', '{}'::jsonb)",
		"SELECT workflow.register_activity('Wait', 'evil.plain(jsonb)')",
		"SELECT workflow.grant_workflow('mallory', 'Victim', '{read}')",
		"SELECT workflow.grant_reader('mallory')",
		"SELECT workflow.resume_engine()",
		"SELECT input FROM workflow.execution",
		"SELECT attributes FROM workflow.history_batch_0",
		"SELECT run_id FROM workflow.executions WHERE owner <> 'mallory'::regrole",
		"SELECT event_id FROM workflow.history WHERE workflow_id = 'victim'")
	  . attempts(
		"INSERT INTO workflow.workflow_grant VALUES ('Victim', 'mallory', 'read');",
		"UPDATE workflow.execution SET owner = 'postgres';",
		"DELETE FROM workflow.timer;",
		"UPDATE workflow.executions SET owner = 'postgres';",
		"LOCK TABLE workflow.execution;"));
closes(start('meddle', 'mallory'));
all_is_well('meddling');
is($node->safe_psql('postgres', q{SELECT count(*) FROM evil.seen WHERE how = 'attempt'}), '0', 'each attempt is refused');
is($node->safe_psql('postgres', q{SELECT status FROM workflow.executions WHERE workflow_id = 'victim'}),
	'Running', 'the victim runs on');

note 'a schema made beforehand, for the functions of the extension to be shadowed in';

$node->safe_psql('postgres', 'CREATE DATABASE trapped');
$node->safe_psql('postgres', 'GRANT CREATE ON DATABASE trapped TO mallory');
$node->safe_psql('trapped', 'SET ROLE mallory; CREATE SCHEMA workflow');
my ($status, $output, $error) = $node->psql('trapped', 'CREATE EXTENSION order_workflow');
like($error, qr/schema "workflow" belongs to a role that is not a superuser/, 'the extension is not created in it');

$node->stop;
done_testing();
