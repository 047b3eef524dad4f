# The shortcuts of examples/psqlrc work, and examples/otlp_export.sh posts each span once to a collector.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = dirname(abs_path(__FILE__));
my ($root) = grep { -d "$_/examples" } "$here/..", "$here/../..";

my $node = PostgreSQL::Test::Cluster->new('looking');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "client_min_messages = error\nshared_preload_libraries = 'order_workflow'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION order_workflow');
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION pay(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
	SELECT workflow.register_activity('Pay', 'pay(jsonb)');
	SELECT workflow.register('order', workflow.sequence(ARRAY[workflow.step('Pay')]));
	SELECT workflow.start('order', workflow_id => 'order-1')});
$node->safe_psql('postgres', q{SELECT workflow.wait('order-1')});

# psql, as somebody who types
my @shortcuts = do
{
	open(my $file, '<', "$root/examples/psqlrc") or die "psqlrc: $!";
	map { /^\\set (\w+)/ ? $1 : () } <$file>;
};
cmp_ok(scalar @shortcuts, '>', 5, 'there are shortcuts');
chdir PostgreSQL::Test::Utils::tempdir();
foreach my $shortcut (@shortcuts)
{
	my ($status, $output, $errors) = $node->psql('postgres', "\\i $root/examples/psqlrc\n\\set id 'order-1'\n:$shortcut\n");

	is("$status $errors", '0 ', "psql: :$shortcut");
}
like(slurp_file('report.html'), qr/^<!DOCTYPE html>.*<\/html>\s*$/s, 'the page is a file');

# Who listens is told of alerts, without what they are about.
my ($listened, $told) = $node->psql(
	'postgres', q{CREATE TABLE shelf AS SELECT 'secret lamp' AS subject;
	SELECT workflow.create_alert_rule('LowStock', 'SELECT subject FROM public.shelf');
	LISTEN order_workflow_alerts;
	SELECT workflow.check_alerts();
	DELETE FROM shelf;
	SELECT workflow.check_alerts(notify => true);
	SELECT workflow.drop_alert_rule('LowStock')});
is(() = $told =~ /Asynchronous notification/g, 1, 'who listens is told, when that was asked for');
like($told, qr/"order_workflow_alerts" with payload "\{"rule": "LowStock", "event": "Resolved", "alert_id": "[-0-9a-f]{36}", "severity": "Warning"\}"/, 'what happened');
unlike($told, qr/lamp/, 'and no more');

# A collector that notes what it gets, and answers as it is told
my $collector = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "no socket: $!";
my $url = 'http://127.0.0.1:' . $collector->sockport . '/v1/traces';

sub export
{
	my ($answer) = @_;
	my $child = fork() // die "fork: $!";

	if ($child == 0)
	{
		@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
		open(STDERR, '>', '/dev/null');
		exec "$root/examples/otlp_export.sh", 'state', $url or exit 99;
	}
	# It may have nothing to post.
	my $body;
	my $wanted = '';
	vec($wanted, fileno($collector), 1) = 1;
	until (waitpid($child, 1) == $child)
	{
		next unless select(my $ready = $wanted, undef, undef, 0.1) > 0;
		my $client = $collector->accept;
		my ($length, $line) = (0);
		while (defined($line = <$client>) && $line =~ /\S/)
		{
			$length = $1 if $line =~ /^content-length: (\d+)/i;
			print $client "HTTP/1.1 100 Continue\r\n\r\n" if $line =~ /^expect:/i;
		}
		read $client, $body, $length;
		print $client "HTTP/1.1 $answer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		close $client;
	}
	return ($? >> 8, $body);
}

# The run closed two minutes ago, for those who ask.
$node->safe_psql('postgres', q{UPDATE workflow.closed_execution SET closed_at = closed_at - interval '2 min'});
my ($status, $body) = export('503 Not now');
isnt($status, 0, 'the collector refuses');
($status, $body) = export('200 OK');
is($status, 0, 'it is asked again');
my $spans = decode_json($body)->{resourceSpans}[0]{scopeSpans}[0]{spans};
is_deeply([ map { $_->{name} } @$spans ], [ 'order', 'Pay' ], 'the run, and its activity');
is($spans->[1]{parentSpanId}, $spans->[0]{spanId}, 'one within the other');
($status, $body) = export('200 OK');
is($status, 0, 'there is nothing more');
is($body, undef, 'and nothing is posted twice');

done_testing();
