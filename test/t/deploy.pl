# examples/deploy.sh: all or nothing. The same twice is nothing new; a test that fails, breaks off or plans
# more than it does keeps everything as it was; one that commits is told of.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = abs_path(dirname(__FILE__));
my ($examples) = grep { -d } ("$here/../examples", "$here/../../examples");
my $files = PostgreSQL::Test::Utils::tempdir() . "/it's here";
system_or_bail("cp", "-R", "$examples/deploy", $files);

my $node = PostgreSQL::Test::Cluster->new('deploy');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'order_workflow'");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE press LOGIN;
	CREATE DATABASE press OWNER press});
$node->safe_psql(
	'press', q{
	CREATE EXTENSION order_workflow_test CASCADE;
	SELECT workflow.grant_usage('press');
	GRANT USAGE ON SCHEMA workflow_test TO press});

# Deploys; gives the exit status, what was printed and what was said.
sub deploy
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGUSER => 'press', PGDATABASE => 'press', @_);
	my ($out, $err);

	IPC::Run::run([ "$examples/deploy.sh", $files ], '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

# Writes a file of the deployment.
sub write_file
{
	my ($name, $text) = @_;

	open(my $file, '>', "$files/$name") or die "$name: $!";
	print $file $text;
	close($file);
	return;
}

# Everything that a deployment changes
sub state_of
{
	return $node->safe_psql(
		'press', q{
		SELECT d.workflow, d.version, d.is_current FROM workflow.definitions d ORDER BY 1, 2;
		SELECT name, options FROM workflow.activities ORDER BY name;
		SELECT oid::regprocedure, md5(prosrc) FROM pg_proc WHERE pronamespace = to_regnamespace('newsletter') ORDER BY 1});
}

my ($status, $out, $err) = deploy();
is($status, 0, 'deploys') or diag($err);
is($out, "newsletter: version 1, new\n", 'the workflow is new');
like($err, qr/^newsletter\.sql \.\. ok, 4 passed$/m, 'its test has passed');
my $deployed = state_of();
like($deployed, qr/^newsletter\|1\|t$/m, 'the version is current');
like($deployed, qr/^Subscribe\|/m, 'its activities are registered');

($status, $out, $err) = deploy();
is($status, 0, 'deploys again');
is($out, "newsletter: version 1, unchanged\n", 'nothing is new');
is(state_of(), $deployed, 'and nothing has changed');

# A second version, another activity and another workflow, with a test of the old ways.
my $definition = slurp_file("$files/workflows/newsletter.json");
$definition =~ s/86400/3600/;
write_file('workflows/newsletter.json', $definition);
write_file('workflows/empty one.json', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}');
write_file('activities/30_more.sql',
	q{CREATE OR REPLACE FUNCTION newsletter.more() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT workflow.register_activity('More', 'newsletter.more()')});
($status, $out, $err) = deploy();
is($status, 1, 'a test that fails stops the deployment');
is($out, '', 'of everything');
like($err, qr/not ok 3 - she is welcomed after a day.*1 of 1 tests failed: nothing was deployed/s, 'and is shown');
is(state_of(), $deployed, 'nothing became current, nor anything else');

# A test may be wrong in other ways.
write_file('test/newsletter.sql', q{SELECT plan(2); SELECT ok(true)});
is((deploy())[0], 1, 'fewer tests than planned');
write_file('test/newsletter.sql', q{SELECT 1});
is((deploy())[0], 1, 'no test at all');
write_file('test/newsletter.sql', q{SELECT plan(1); SELECT ok(true); SELECT 1 / 0});
is((deploy())[0], 1, 'an error');
write_file('test/newsletter.sql', q{SELECT plan(1); SELECT ok(false, 'later') FROM todo('not yet', 1)});
write_file('test/z.sql', q{SELECT plan(1); SELECT ok(false)});
is((deploy())[0], 1, 'one of two');
is(state_of(), $deployed, 'none has left a trace');

# A definition that is wrong
unlink("$files/test/z.sql");
write_file('workflows/empty one.json', '{"StartAt": "B", "States": {"A": {"Type": "Succeed"}}}');
($status, $out, $err) = deploy();
is($status, 1, 'a definition that is wrong');
like($err, qr/"StartAt" in the definition names a state that does not exist/, 'is shown');
is(state_of(), $deployed, 'and leaves no trace either');

# In the end all of it, tested elsewhere; an open run stays on its version.
write_file('workflows/empty one.json', '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}');
write_file('test/newsletter.sql',
	q{SELECT plan(1); SELECT is(definition #>> '{States,A day,Seconds}', '3600', 'the new one is current') FROM workflow.definitions WHERE is_current AND workflow = 'newsletter'});
$node->safe_psql('press', q{SET ROLE press; SELECT workflow.start('newsletter', '{"address": "a@b"}', 'open')});
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere OWNER press');
$node->safe_psql('elsewhere', q{CREATE EXTENSION order_workflow_test CASCADE; SELECT workflow.grant_usage('press'); GRANT USAGE ON SCHEMA workflow_test TO press});
($status, $out, $err) = deploy(TEST_DATABASE => 'elsewhere');
is($status, 0, 'deploys the mended one') or diag($err);
is($out, "empty one: version 1, new\nnewsletter: version 2, new\n", 'as new versions');
is($node->safe_psql('press', q{SELECT version FROM workflow.executions WHERE workflow_id = 'open'}), 1, 'the open run stays on its own');
is($node->safe_psql('elsewhere', 'SELECT count(*) FROM workflow.definitions'), 0, 'the tests have left nothing where they ran');

$definition =~ s/3600/86400/;
write_file('workflows/newsletter.json', $definition);
write_file('test/newsletter.sql', q{SELECT plan(1); SELECT ok(true)});
is((deploy())[1], "empty one: version 1, unchanged\nnewsletter: version 1, again, after 2\n", 'back to the first version');

write_file('test/newsletter.sql', q{SELECT plan(1); SELECT ok(true); COMMIT});
($status, $out, $err) = deploy();
is($status, 1, 'a test that commits');
like($err, qr/newsletter\.sql has committed what it was to try/, 'is told of');

$node->stop;
done_testing();
