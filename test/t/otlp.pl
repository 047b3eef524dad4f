# What examples/otlp_export.sh posts is what OpenTelemetry's own definitions take: every span of runs of all kinds, in pages, each once.
# The definitions come with a package of npm; without node, or without a network, there is nothing to compare with.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use WorkerTest;

my $here = dirname(abs_path(__FILE__));
my ($root) = grep { -d "$_/examples" } "$here/..", "$here/../..";
my $packages = $ENV{OTLP_MODULES} // PostgreSQL::Test::Utils::tempdir();

plan skip_all => 'there is no node' if system('node --version >/dev/null 2>&1') != 0;
if (!-d "$packages/node_modules")
{
	plan skip_all => 'there is no npm' if system('npm --version >/dev/null 2>&1') != 0;
	system("cd $packages && HOME=$packages timeout 120 npm install --no-audit --no-fund --prefix . \@opentelemetry/otlp-transformer\@0.57.2 >npm.log 2>&1") == 0
	  or plan skip_all => 'npm cannot install what has the definitions';
}

my $node = new_cluster('otlp');
$node->safe_psql('postgres', 'CREATE EXTENSION order_workflow; CREATE ROLE shop LOGIN');
$node->safe_psql('postgres', q{SELECT workflow.grant_usage('shop'); GRANT CREATE ON SCHEMA public TO shop});

sub as_shop
{
	return $node->safe_psql('postgres', $_[0], extra_params => [ '-U', 'shop' ]);
}

as_shop(q{
	CREATE FUNCTION say(input jsonb, context workflow.activity_context) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
		PERFORM workflow.span_attributes('{"text": "x\u0001\"\\\\", "int": 9007199254740993, "double": 12.5, "huge": 1e400, "big": 123456789012345678901,
			"bool": false, "none": null, "list": [1, "a", null, [true]], "object": {"a": {"b": 1.5}}, "empty": {}, "nothing": [], "": "no name"}');
		IF context.attempt < 3 AND NOT input ? 'item' THEN
			PERFORM workflow.throw('NotYet', E'wait\n"a little"');
		END IF;
		RETURN '{}';
	END $$;
	SELECT workflow.register_activity('Say', 'say(jsonb, workflow.activity_context)',
		options => '{"StartToCloseSeconds": 5, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 5, "IntervalSeconds": 1, "BackoffRate": 1}]}');
	SELECT workflow.register('all', '{"StartAt": "Say", "States": {
		"Say": {"Type": "Task", "Resource": "Say", "Compensate": "Say", "ResultPath": null, "Next": "Each"},
		"Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "In", "States": {
			"In": {"Type": "Task", "Resource": "Say", "End": true}}}, "ResultPath": null, "Next": "No"},
		"No": {"Type": "Fail", "Error": "No", "Cause": "because"}}}'::jsonb);
	SELECT workflow.register('parent', '{"StartAt": "Second", "Signals": {"paid": {}}, "States": {
		"Second": {"Type": "Choice", "Choices": [{"Variable": "$.round", "NumericEquals": 2, "Next": "Done"}], "Default": "Child"},
		"Child": {"Type": "Task", "Resource": "workflow:all", "Parameters": {"items": [{"item": 1}]}, "ResultPath": null,
			"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Wait"}], "Next": "Wait"},
		"Wait": {"Type": "Await", "Any": [{"Signal": "paid", "Next": "Again"}]},
		"Again": {"Type": "ContinueAsNew", "Parameters": {"round": 2}}, "Done": {"Type": "Succeed"}}}'::jsonb);
	SELECT workflow.start('parent', '{"round": 1}', 'parent', traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
	SELECT workflow.signal('parent', 'paid', '{"euros": 1}');
	SELECT count(workflow.start('all', '{"items": [{"item": 1}, {"item": 2}]}', 'order ' || n)) FROM generate_series(1, 4) n});
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM workflow.execution)') or die 'runs do not end';
my $spans = $node->safe_psql('postgres', 'SELECT count(*) FROM workflow.spans');

# Runs that have closed are posted a minute later.  Some closed at the same moment.
$node->safe_psql('postgres', q{
	UPDATE workflow.closed_execution SET started_at = started_at - interval '3 min', closed_at = closed_at - interval '3 min';
	UPDATE workflow.history_batch SET event_times = ARRAY(SELECT t - interval '3 min' FROM unnest(event_times) t);
	UPDATE workflow.closed_execution SET closed_at = (SELECT max(closed_at) FROM workflow.closed_execution) WHERE workflow_id LIKE 'order%'});

my $pid = open(my $collector, '-|', 'node', "$here/otlp_collector.js", "$packages/node_modules", "$packages/requests.$$") or die "node: $!";
chomp(my $port = <$collector> // die 'the collector does not start');
my $url   = "http://127.0.0.1:$port/v1/traces";
my $state = "$packages/state." . $$;

sub export
{
	my ($to) = @_;

	local @ENV{qw(PGHOST PGPORT PGDATABASE PAGE)} = ($node->host, $node->port, 'postgres', 2);
	return system("$root/examples/otlp_export.sh", $state, $to // $url) >> 8;
}

isnt(export('http://127.0.0.1:1/'), 0, 'nobody takes them');
{
	$node->safe_psql('postgres', 'CREATE ROLE no_reader LOGIN');
	local $ENV{PGUSER} = 'no_reader';
	isnt(export(), 0, 'nor are they given to who may not read them');
}
is(export(), 0, 'the collector takes all');
is(export(), 0, 'and nothing more');
kill 'TERM', $pid;
close $collector;
my @requests = map { decode_json($_) } split /\n/, slurp_file("$packages/requests.$$");

is(scalar @requests, 4, 'seven runs are four pages of two');
is(join("\n", map { @{ $_->{problems} } } @requests), '', 'the definitions have nothing to say against it');
my @spans = map { @{ $_->{spans} } } @requests;
my %by_id = map { ("$_->{traceId} $_->{spanId}" => $_) } @spans;
is(scalar @spans, $spans, 'all spans');
is(scalar keys %by_id, $spans, 'each once');
cmp_ok($spans, '>', 40, 'there are many');

my %kinds;
foreach my $span (@spans)
{
	my %attribute = map { ($_->{key} => $_->{value}) } @{ $span->{attributes} };

	$kinds{ $attribute{'workflow.span_kind'}{stringValue} }++;
	ok(!defined $span->{parentSpanId} || $span->{parentSpanId} eq '00f067aa0ba902b7' || $by_id{"$span->{traceId} $span->{parentSpanId}"}, "the parent of $span->{name} is there");
	next unless $span->{name} eq 'Say';
	is(join(' ', map { my $name = $_; map { "$name=$_" } keys %{ $attribute{$name} } } qw(text int double huge big bool list object empty nothing)),
		'text=stringValue int=intValue double=doubleValue huge=stringValue big=doubleValue bool=boolValue list=arrayValue object=kvlistValue empty=kvlistValue nothing=arrayValue',
		'what it has said, as what it is');
}
is_deeply([ sort keys %kinds ], [qw(Activity ChildWorkflow Compensation Execution)], 'spans of all kinds');
is(scalar(grep { $_->{links} } @spans), 1, 'a link from the run that was continued');
ok((grep { grep { $_->{name} eq 'WorkflowExecutionSignaled' } @{ $_->{events} } } @spans), 'and what it was sent');

# 10,000 spans
as_shop(q{SELECT workflow.register('four', workflow.sequence(ARRAY[workflow.step('Say'), workflow.step('Say'), workflow.step('Say'), workflow.step('Say')]));
	SELECT count(*) FROM workflow.start_many('four', (SELECT array_agg('{"item": 1}'::jsonb) FROM generate_series(1, 2000)))});
$node->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM workflow.execution)') or die 'runs do not end';
my $began = time;
$node->safe_psql('postgres', q{SET client_min_messages = error; DO $$
	DECLARE
		since timestamptz := '-infinity';
		run   uuid;
		p     record;
	BEGIN
		CREATE TABLE posted (runs int, spans int);
		LOOP
			SELECT * INTO p FROM workflow.otlp_page(since, run, runs => 200);
			EXIT WHEN p.request IS NULL;
			since := p.closed_at;
			run := p.run_id;
			INSERT INTO posted SELECT 200, jsonb_array_length(p.request #> '{resourceSpans,0,scopeSpans,0,spans}');
		END LOOP;
	END $$});
note(sprintf('%s spans in %.1f s', $node->safe_psql('postgres', 'SELECT sum(spans) FROM posted'), time - $began));
is($node->safe_psql('postgres', 'SELECT sum(spans) FROM posted'), 10000 + $spans, 'pages of many runs have all');
$node->stop;
done_testing();
