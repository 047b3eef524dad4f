# Runs that share a transaction with one that fails: it fails alone.

use strict;
use warnings;

use BatchTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_batch_cluster('failures');

# The special run's outcome, and what it did.
sub special
{
	my ($workflow) = @_;

	return $node->safe_psql(
		'postgres', qq{
		SELECT status, error, (SELECT string_agg(concat_ws(' ', state, attempt), ', ' ORDER BY state, attempt)
			FROM app.effects f WHERE f.workflow_id = e.workflow_id)
		FROM workflow.executions e WHERE workflow_id = '$workflow-25'});
}

as_app(
	$node, q{
	CREATE FUNCTION app.fail(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		IF input ? 'special' THEN
			PERFORM workflow.throw('Broken', 'it is the 25th', non_retryable => true);
		END IF;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Fail', 'app.fail(jsonb, workflow.activity_context)');

	SELECT workflow.register('one_fails', '{"StartAt": "Fail", "States": {
		"Fail": {"Type": "Task", "Resource": "Fail", "End": true}}}');
	SELECT workflow.register('second_fails', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Compensate": "Work", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Fail", "Next": "Third"},
		"Third": {"Type": "Task", "Resource": "Work", "End": true}}}')});

run_together($node, 'one_fails');
is(special('one_fails'), 'Failed|Broken|', 'the failing run fails, without an effect');
others_complete($node, 'one_fails', 'Fail');
cmp_ok(shared_transactions($node, 'one_fails'), '>', 1, 'they have shared a transaction');

run_together($node, 'second_fails');
is(special('second_fails'), 'Failed|Broken|First 1, First 1', 'the step before the failing one is kept, and undone');
others_complete($node, 'second_fails', 'First,Second,Third');
cmp_ok(shared_transactions($node, 'second_fails'), '>', 1, 'they have shared a transaction');
no_faults($node, 'one fails');

# An attempt that fails and is tried again.
as_app(
	$node, q{
	CREATE FUNCTION app.fail_once(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		IF input ? 'special' AND c.attempt = 1 THEN
			PERFORM workflow.throw('Broken', 'at first', next_retry_delay => '10 ms');
		END IF;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('FailOnce', 'app.fail_once(jsonb, workflow.activity_context)');
	SELECT workflow.register('one_retries', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "FailOnce", "Next": "Third",
			"Retry": [{"ErrorEquals": ["Broken"]}]},
		"Third": {"Type": "Task", "Resource": "Work", "End": true}}}')});
run_together($node, 'one_retries');
is(special('one_retries'), 'Completed||First 1, Second 2, Third 1', 'only the failed attempt is made again');
others_complete($node, 'one_retries', 'First,Second,Third');
no_faults($node, 'one retries');

# Deferred constraints: of the activity that violates one, and of the chain it is in.
as_app(
	$node, q{
	CREATE TABLE app.owed (workflow_id text, state text, amount int,
		UNIQUE (workflow_id) DEFERRABLE INITIALLY DEFERRED);
	CREATE FUNCTION app.owe(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM app.note(c);
		-- Violates the constraint for a moment; in the special run, for good.
		INSERT INTO app.owed VALUES (c.workflow_id || c.state, c.state, 1), (c.workflow_id || c.state, c.state, 2);
		IF NOT input ? 'special' OR c.state = 'First' THEN
			DELETE FROM app.owed WHERE workflow_id = c.workflow_id || c.state AND amount = 2;
		END IF;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Owe', 'app.owe(jsonb, workflow.activity_context)');
	SELECT workflow.register('one_owes', '{"StartAt": "Only", "States": {
		"Only": {"Type": "Task", "Resource": "Owe", "End": true}}}');
	SELECT workflow.register('second_owes', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Owe", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Owe", "Next": "Third"},
		"Third": {"Type": "Task", "Resource": "Work", "End": true}}}')});
run_together($node, 'one_owes');
is(special('one_owes'), 'Failed|unique_violation|', 'a violated deferred constraint fails the activity');
others_complete($node, 'one_owes', 'Only');
cmp_ok(shared_transactions($node, 'one_owes'), '>', 1, 'the others have shared a transaction');
run_together($node, 'second_owes');
is(special('second_owes'), 'Failed|unique_violation|First 1', 'and only that one of a chain');
others_complete($node, 'second_owes', 'First,Second,Third');
as_app($node, "SELECT workflow.register('second_owes_again', definition::text) FROM workflow.definitions WHERE workflow = 'second_owes'");
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT workflow_id) FROM app.owed'),
	'148|148', 'the constraint holds');

# Somebody else's deferred constraints, in a schema that the owner of the runs may not use, and ones whose
# names are not theirs alone.
$node->safe_psql(
	'postgres', q{
	CREATE SCHEMA secret;
	CREATE TABLE secret.parent (id int PRIMARY KEY);
	CREATE TABLE secret.child (id int CONSTRAINT link REFERENCES secret.parent DEFERRABLE INITIALLY DEFERRED)});
run_together($node, 'second_owes_again');
others_complete($node, 'second_owes_again', 'First,Second,Third');
is(special('second_owes_again'), 'Failed|unique_violation|First 1', 'constraints of others are in nobody\'s way');
as_app(
	$node, q{
	CREATE TABLE app.namesake (workflow_id text CONSTRAINT namesake CHECK (workflow_id <> ''));
	CREATE TABLE app.deferred (id int PRIMARY KEY, next int CONSTRAINT namesake REFERENCES app.deferred
		DEFERRABLE INITIALLY DEFERRED);
	CREATE FUNCTION app.link(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
		id int := 2 * (input->>'n')::int + CASE c.state WHEN 'First' THEN 1000 ELSE 2000 END;
	BEGIN
		PERFORM app.note(c);
		INSERT INTO app.deferred VALUES (id, id + 1);
		IF NOT input ? 'special' OR c.state = 'First' THEN
			INSERT INTO app.deferred VALUES (id + 1, NULL);
		END IF;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Link', 'app.link(jsonb, workflow.activity_context)');
	SELECT workflow.register('namesakes', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Link", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Link", "End": true}}}')});
run_together($node, 'namesakes');
is(special('namesakes'), 'Failed|foreign_key_violation|First 1', 'a constraint that shares its name is deferred, and then checked');
others_complete($node, 'namesakes', 'First,Second');
no_faults($node, 'deferred constraints');
as_app($node, 'DROP TABLE app.namesake');

# Activities with many subtransactions: a transaction holds no more than the server caches.
as_app(
	$node, q{
	CREATE FUNCTION app.nest(input jsonb, c workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 10 LOOP
			BEGIN
				PERFORM app.note(c, 'kept ' || i);
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
			BEGIN
				PERFORM app.note(c, 'lost ' || i);
				PERFORM 1 / 0;
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
		END LOOP;
		RETURN input;
	END $$;
	SELECT workflow.register_activity('Nest', 'app.nest(jsonb, workflow.activity_context)');
	SELECT workflow.register('nested', '{"StartAt": "Nest", "States": {
		"Nest": {"Type": "Task", "Resource": "Nest", "End": true}}}')});
run_together($node, 'nested', 100);
is( $node->safe_psql(
		'postgres', q{
		SELECT status, count(*), sum(kept), sum(lost) FROM workflow.executions e
		CROSS JOIN LATERAL (SELECT count(DISTINCT note) FILTER (WHERE note LIKE 'kept %') AS kept,
			count(*) FILTER (WHERE note LIKE 'lost %') AS lost
			FROM app.effects f WHERE f.workflow_id = e.workflow_id) f
		WHERE workflow = 'nested' GROUP BY status}),
	'Completed|100|1000|0',
	'runs with many subtransactions complete');
is( $node->safe_psql(
		'postgres', q{
		SELECT transaction, count(*) FROM app.effects WHERE workflow_id LIKE 'nested-%'
		GROUP BY transaction HAVING count(*) > 64}),
	'',
	'no transaction has more of them than are cached');
cmp_ok(shared_transactions($node, 'nested'), '>', 1, 'they have shared transactions');
no_faults($node, 'many subtransactions');

# A commit that fails as a whole: each run is then carried on alone, and the one to blame is stuck.
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN RAISE EXCEPTION ''no commit for %'', NEW.workflow_id; END';
	CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON workflow.closed_execution DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (NEW.workflow_id = 'uncommitted-25') EXECUTE FUNCTION public.refuse()});
as_app(
	$node, q{
	SELECT workflow.register('uncommitted', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Work", "End": true}}}')});
run_together($node, 'uncommitted');
is(special('uncommitted'), 'Stuck||', 'the run whose transaction cannot commit is stuck, without an effect');
is( $node->safe_psql(
		'postgres', "SELECT stuck->>'Error', stuck->>'Cause' FROM workflow.executions WHERE workflow_id = 'uncommitted-25'"),
	'OW.TransactionFailed|the transaction of this run failed: no commit for uncommitted-25',
	'and tells why');
others_complete($node, 'uncommitted', 'First,Second');
no_faults($node, 'a commit that fails');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON workflow.closed_execution');
as_app($node, "SELECT workflow.retry('uncommitted-25')");
ok( $node->poll_query_until(
		'postgres', "SELECT status = 'Completed' FROM workflow.executions WHERE workflow_id = 'uncommitted-25'"),
	'once that is mended, it completes');
is(special('uncommitted'), 'Completed||First 1, Second 1', 'with each effect once');

# Transactions of their own.
as_app(
	$node, q{
	SELECT workflow.register('own', '{"StartAt": "First", "States": {
		"First": {"Type": "Task", "Resource": "Work", "Next": "Second"},
		"Second": {"Type": "Task", "Resource": "Fail", "Transaction": "Own", "Next": "Third"},
		"Third": {"Type": "Task", "Resource": "Work", "Next": "Fourth"},
		"Fourth": {"Type": "Task", "Resource": "Work", "End": true}}}')});
run_together($node, 'own');
is(special('own'), 'Failed|Broken|First 1', 'one fails in a transaction of its own');
others_complete($node, 'own', 'First,Second,Third,Fourth');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM app.effects o JOIN app.effects other USING (transaction)
		WHERE o.workflow_id LIKE 'own-%' AND o.state = 'Second'
			AND (other.workflow_id, other.state) <> (o.workflow_id, o.state)}),
	'0',
	'"Transaction": "Own" is shared with nothing else');
no_faults($node, 'own transactions');

$node->stop;
done_testing();
