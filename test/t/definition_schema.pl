# doc/definition.schema.json says of definitions what workflow.validate() says: of those in the README, the
# pages, the examples and the tests, of a list of wrong ones, and of every field in the source's tables.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('schema');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'order_workflow'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION order_workflow');

# The system's Python: another one may lack the modules.
my $script = abs_path(dirname(__FILE__)) . '/definition_schema.py';
my ($out, $err);
my $ran = IPC::Run::run(
	[ '/usr/bin/python3', '-W', 'ignore', $script, 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres' ],
	'>', \$out, '2>', \$err);
ok($ran, 'the checks run to their end') or diag($err);

my $checks = 0;
foreach my $line (split /\n/, $out)
{
	if ($line =~ /^(not )?ok (.*)/) { ok(!$1, $2); $checks++; }
	else { diag($line); }
}
cmp_ok($checks, '>', 150, 'and are many');

$node->stop;
done_testing();
