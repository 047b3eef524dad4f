# A deployment in the midst of orders that real executors work on: payment and reservation change places.  A hundred orders are under way, a
# hundred more come while and after the new version becomes current; one is started before it and committed after.  Old
# orders end in the old order, new ones in the new, and what fails is undone in the reverse of its own.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;

my $here = dirname(abs_path(__FILE__));
my $node = new_cluster('orders');

$node->safe_psql('postgres', $_) foreach ('CREATE ROLE shop LOGIN', 'CREATE DATABASE shop OWNER shop');
$node->safe_psql('shop', q{CREATE EXTENSION order_workflow; SELECT workflow.grant_usage('shop'); GRANT CREATE ON SCHEMA public TO shop});

sub query
{
	my ($sql) = @_;

	return $node->safe_psql('shop', "SET ROLE shop; $sql");
}

sub start_orders
{
	my ($kind, $from, $to) = @_;

	query(
		qq{SELECT count(*) FROM (SELECT workflow.start_many('versions.order', array_agg(jsonb_build_object('number', n)),
			array_agg('$kind ' || n)) FROM generate_series($from, $to) n) s});
	return;
}

sub let_go
{
	my ($kind, $from, $to) = @_;

	query("SELECT count(workflow.signal('$kind ' || n, 'go')) FROM generate_series($from, $to) n");
	return;
}

query(slurp_file("$here/order_versions.sql"));
query(q{SELECT workflow.register('versions.order', public.order_definition('{pay,reserve}'))});
start_orders('old', 1, 99);
ok($node->poll_query_until('shop', q{SELECT count(*) = 99 FROM workflow.executions WHERE state = 'wait'}), 'orders are under way');

# The last of the old ones is started, but its transaction goes on.
my $session = $node->background_psql('shop', on_error_stop => 1);
$session->query_safe('SET ROLE shop');
$session->query_safe('BEGIN');
$session->query_safe(q{SELECT workflow.start('versions.order', '{"number": 100}', 'old 100')});
let_go('old', 1, 30);
query(q{SELECT workflow.register('versions.order', public.order_definition('{reserve,pay}'))});
start_orders('new', 1, 60);
let_go('old', 31, 60);
$session->query_safe('COMMIT');
$session->quit;
start_orders('new', 61, 100);
let_go('new', 1, 100);
let_go('old', 61, 100);

ok($node->poll_query_until('shop', q{SELECT count(*) = 200 FROM workflow.executions WHERE closed_at IS NOT NULL}), 'all have ended');
is( query('SELECT version, status, error, steps, orders FROM order_outcome ORDER BY 1, 2'),
	join("\n",
		'1|Completed||pay reserve ship|86',
		'1|Failed|NoCarrier|pay reserve release refund|14',
		'2|Completed||reserve pay ship|86',
		'2|Failed|NoCarrier|reserve pay refund release|14'),
	'each in its own order, and undone in the reverse of that');
is(query('SELECT * FROM order_wrong'), '', 'nothing is lost, nothing is left over');
is( query(q{SELECT version, open, completed, failed FROM workflow.version_usage WHERE workflow = 'versions.order' ORDER BY 1}),
	"1|0|86|14\n2|0|86|14", 'how each version does');
is($node->safe_psql('shop', slurp_file("$here/consistency.sql") . 'SELECT * FROM pg_temp.faults()'), '', 'history leads there');
query(q{SELECT workflow.retire('versions.order', 1)});
my ($status, undef, $error) = $node->psql('shop', q{SET ROLE shop; SELECT workflow.start('versions.order', version => 1)});
like($error, qr/version 1 of workflow "versions.order" is retired/, 'and the old one can go');

$node->stop;
done_testing();
