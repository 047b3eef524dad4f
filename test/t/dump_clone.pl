# A physical copy has the system identifier of its original, and the databases' oids: what tells it
# apart is order_workflow.instance.  A database made from a template is a copy as well.

use strict;
use warnings;

use OrderTest;
use WorkerTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $original = new_cluster('original', "order_workflow.instance = 'first'");

install_shop($original, 'shop');
slow_down($original, 'shop', 0.005);
place_orders($original, 'shop', 2);
ok( $original->poll_query_until(
		'shop', q{
		SELECT (SELECT count(*) > 10 FROM workflow.closed_execution)
			AND (SELECT count(*) > 0 FROM workflow.timer)}),
	'some orders are done, some wait');
place_orders($original, 'shop', 1);
$original->backup('clone');

my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($original, 'clone');
$clone->append_conf('postgresql.conf', "order_workflow.instance = 'second'");
$clone->start;
cmp_ok($clone->safe_psql('shop', 'SELECT count(*) FROM workflow.execution'),
	'>', 0, 'the clone has things to do');
check_quiet($clone, 'shop', 'in a clone');
$clone->restart;
check_quiet($clone, 'shop', 'in a clone that has been restarted');

wait_until_closed($original, 'shop', 'the original goes on');
my @expected = split /\n/, outcomes($original, 'shop');

$clone->safe_psql('shop', 'SELECT workflow.resume_engine()');
wait_until_closed($clone, 'shop', 'and so does the clone, told to');
check_books($clone, 'shop');
is(outcomes($clone, 'shop'), join("\n", @expected), 'to the same ends');
$clone->restart;
$clone->safe_psql('shop', q{SET ROLE shop; SELECT orders.place_order('OrderSaga')});
wait_until_closed($clone, 'shop', 'from now on it is a database like any other');

# The name is changed while executors are there: none stays.
$clone->poll_query_until('shop', 'SELECT count(*) > 0 FROM workflow.workers');
$clone->append_conf('postgresql.conf', "order_workflow.instance = 'third'");
$clone->reload;
ok($clone->poll_query_until('shop', 'SELECT count(*) = 0 FROM workflow.workers'),
	'under another name, executors leave');
$clone->safe_psql('shop', q{SET ROLE shop; SELECT orders.place_order('OrderSaga')});
check_quiet($clone, 'shop', 'under another name');
$clone->safe_psql('shop', 'SELECT workflow.resume_engine()');
wait_until_closed($clone, 'shop', 'the name is taken');

# A template must have no connections, and no executors.
$clone->append_conf('postgresql.conf', 'order_workflow.enabled = off');
$clone->reload;
$clone->poll_query_until('shop', 'SELECT count(*) = 0 FROM workflow.workers');
$clone->safe_psql('shop', q{SET ROLE shop; SELECT orders.place_order('OrderSaga')});
$clone->safe_psql('postgres', 'CREATE DATABASE shop_too TEMPLATE shop');
$clone->append_conf('postgresql.conf', 'order_workflow.enabled = on');
$clone->reload;
wait_until_closed($clone, 'shop', 'the template goes on');
check_quiet($clone, 'shop_too', 'in a database made from it');
$clone->safe_psql('shop_too', 'SELECT workflow.resume_engine()');
wait_until_closed($clone, 'shop_too', 'and it goes on, told to');
check_books($clone, 'shop_too');

$original->stop;
$clone->stop;
done_testing();
