# The examples of the README and of the pages run as they are printed: the SQL of a page goes through psql from top to
# bottom, and where what it shows stands below, that is what comes, but for ids and times.  Each page has a cluster of its own,
# in which Getting started was done before.  Links lead to headings, and all errors,
# settings and columns of views are documented.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use File::Find ();
use File::Temp;
use PostgreSQL::Test::Utils;
use WorkerTest;
use Test::More;

my $here = abs_path(dirname(__FILE__));
my ($root) = grep { -f "$_/README.md" && -d "$_/doc" } "$here/..", "$here/../..";

# The examples between two headings of a page: each the SQL, the line it begins at, and what is to come, if that is told
sub examples
{
	my ($page, $from, $to) = @_;
	my $text  = slurp_file("$root/$page");
	my $begin = $from ? index($text, "\n## $from\n") : 0;
	my $end   = $to ? index($text, "\n## $to\n") : length $text;
	my @found;

	die "$page: no such heading" if $begin < 0 || $end < $begin;
	pos($text) = $begin;
	while ($text =~ /^```sql\n(.*?)^```\n(?:```\n(.*?)^```\n)?/gms && $-[0] < $end)
	{
		my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);

		push @found, { at => "$page:$line", sql => $1, shown => $2 };
	}
	return @found;
}

# Links within the pages that lead to no heading, or no page
sub broken_links
{
	my (@pages) = @_;
	my (%heading, @broken);

	foreach my $page (@pages)
	{
		foreach my $title (slurp_file("$root/$page") =~ /^#+ (.*)$/gm)
		{
			(my $anchor = lc $title) =~ s/[^\w -]//g;
			$heading{$page}{ $anchor =~ tr/ /-/r } = 1;
		}
	}
	foreach my $page (@pages)
	{
		foreach my $link (slurp_file("$root/$page") =~ /\]\(([\w.\/]*#[\w-]+|[\w.\/]+\.md)\)/g)
		{
			my ($to, $anchor) = split /#/, $link;

			$to = $to eq '' ? $page : $page =~ /^doc/ ? "doc/$to" =~ s/^doc\/\.\.\///r : $to;
			push @broken, "$page: $link" if grep({ $_ eq $to } @pages) && defined $anchor ? !$heading{$to}{$anchor} : $to =~ /^(README|doc)/ && !-f "$root/$to";
		}
	}
	return @broken;
}

# All of the sources
sub sources
{
	my @files;

	File::Find::find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.[ch]$/ } }, "$root/src");
	return join '', map { slurp_file($_) } sort @files;
}

# SQLSTATEs of our own, as the sources define them
sub sqlstates
{
	my @states = slurp_file("$root/src/errors.h") =~ /^#define ERRCODE_OW_\w+\s+MAKE_SQLSTATE\((.*?)\)/gm;

	return sort map { s/[', ]//gr } @states;
}

# The first column of a table: what is in backquotes there, in the rows that begin so
sub rows
{
	my ($page, $pattern) = @_;

	my @rows = slurp_file("$root/$page") =~ /^\| `($pattern)` \|/gm;

	return sort @rows;
}

# Columns of views that the reference does not tell of
sub undocumented_columns
{
	my ($node) = @_;
	my %view = slurp_file("$root/doc/reference.md") =~ /^`workflow\.(\w+)`:(.*?)(?=^`workflow\.\w+`:|^## )/gms;
	my @columns = split /\n/, $node->safe_psql('shop', q{
		SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'v' AND a.attnum > 0
		  AND c.relname NOT LIKE 'readable%' AND c.relname <> 'viewer' AND has_table_privilege('shop', c.oid, 'SELECT')});

	cmp_ok(@columns, '>', 200, 'columns of views are found');
	return grep { my ($view, $column) = split /\./; ($view{$view} // '') !~ /\b$column\b/ } @columns;
}

# Names of errors in runs that the sources have and a page does not
sub undocumented_errors
{
	my $text = slurp_file("$root/doc/reference.md");
	my %name = map { $_ => 1 } sources() =~ /"(OW\.[A-Z]\w+)"/g;

	cmp_ok(keys %name, '>', 15, 'errors in runs are found');
	return sort grep { $text !~ /`\Q$_\E[`(]/ } keys %name;
}

# What is the same each time
sub constant
{
	my ($text) = @_;

	for ($text)
	{
		s/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g;
		s/\b[0-9a-f]{32}\b/TRACE/g;
		s/\b[0-9a-f]{16}\b/SPAN/g;
		s/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(\+00|Z)?/TIME/g;
		s/ +(?=\|)|(?<=\|) +| +$|^ +//gm;
		s/--+/-/g;
		s/ +/ /g;
		s/\s+\z//;
	}
	return $text;
}

# Waits, in a session beside, until executors have done what there is to do, and a moment longer; for some seconds at most, as some
# examples leave what nobody does.
my $until_quiet = File::Temp->new(SUFFIX => '.sql');
print $until_quiet q{
	DO $$ BEGIN
		FOR i IN 1 .. 150 LOOP
			EXIT WHEN to_regclass('workflow.execution') IS NULL;
			EXIT WHEN NOT EXISTS (SELECT FROM workflow.execution WHERE ready)
				AND NOT EXISTS (SELECT FROM workflow.message)
				AND NOT EXISTS (SELECT FROM workflow.timer WHERE due_at < clock_timestamp() + '1 s')
				AND NOT EXISTS (SELECT FROM workflow.schedule WHERE next_time < clock_timestamp() + '1 s');
			PERFORM pg_sleep(0.02);
		END LOOP;
		PERFORM pg_sleep(0.1);
	END $$};
close $until_quiet;

# Runs examples in one session, as a reader would, who does not answer the next question before the last is done.
sub play
{
	my ($node, @examples) = @_;
	my $script = File::Temp->new(SUFFIX => '.sql');

	foreach my $n (0 .. $#examples)
	{
		my $sql = $examples[$n]{sql};

		print $script "\\echo \@\@\@ $n\n$sql";
		# an executor that was killed is started again after some seconds
		print $script "SELECT pg_sleep(5) AS pause \\gset\n" if $sql =~ /pg_terminate_backend/;
		print $script "\\set quiet `psql -Xq -U postgres -d :DBNAME -f $until_quiet 2>&1`\n" if $sql =~ /workflow\.[a-z_]+\(/;
	}
	close $script;
	local @ENV{qw(PGHOST PGPORT PGTZ)} = ($node->host, $node->port, 'UTC');
	my $output = `stdbuf -oL psql -Xq -U postgres -d postgres <$script 2>&1`;
	my (undef, @parts) = split /^@@@ \d+\n/m, $output;

	is(@parts, @examples, 'all examples have run');
	foreach my $n (0 .. $#examples)
	{
		my ($at, $shown) = @{ $examples[$n] }{qw(at shown)};

		if (defined $shown)
		{
			is(constant($parts[$n]), constant($shown), "$at: shows what is printed");
		}
		else
		{
			unlike($parts[$n], qr/^(ERROR|FATAL):/m, "$at: runs");
		}
	}
	return;
}

# As the page about schedules says
my @pg_cron = ("shared_preload_libraries = 'order_workflow, pg_cron'", "cron.database_name = 'shop'",
	'cron.use_background_workers = on');

# A cluster with the superuser of the pages
sub start_cluster
{
	my ($name, @settings) = @_;
	my $node = new_cluster($name, 'client_min_messages = notice', @settings);

	$node->safe_psql('postgres', q{SELECT 'CREATE ROLE postgres LOGIN SUPERUSER' WHERE to_regrole('postgres') IS NULL \gexec});
	return $node;
}

# What the page about seeing what runs looks at: an order whose carrier never comes, on a virtual clock
my $failed_order = {
	at  => 'an order that fails',
	sql => qq{
\\o /dev/null
CREATE EXTENSION order_workflow_test CASCADE;
BEGIN;
\\i $root/examples/order_processing/load.sql
ALTER SEQUENCE orders.orders_order_id_seq RESTART 1;
SELECT workflow_test.begin();
SELECT workflow_test.allow_activity(name) FROM workflow.activities;
SELECT orders.place_order('OrderSaga', carrier => 'phantom');
SELECT workflow_test.run();
\\o
}
};

# Has the worker in Python do a task.
sub work
{
	my ($node) = @_;
	my ($worker) = slurp_file("$root/doc/activities.md") =~ /^```python\n(.*?)^```$/ms;
	my $script = File::Temp->new(SUFFIX => '.py');

	print $script "def pack(input): return {'van': input['product']}\n$worker";
	close $script;
	$node->safe_psql('shop', q{SET ROLE shop; SELECT workflow.start('deliver', '{"product": "lamp", "customer": "ann"}', 'python')});
	local @ENV{qw(PGHOST PGPORT)} = ($node->host, $node->port);
	system("timeout 20 /usr/bin/python3 $script & worker=\$!; psql -Xq -d shop -c \"SELECT workflow.wait('python', '15s')\" >/dev/null; kill \$worker");
	return;
}

is(join(', ', broken_links('README.md', map { "doc/$_.md" } qw(activities definitions language children runs privileges settings troubleshooting
	operations workers versions schedules observability testing tuning reference architecture))),
	'', 'links lead to headings');

my @start = examples('README.md', 'Getting started', 'Activities');
my $node = start_cluster('readme');

play($node, @start, examples('README.md', 'Activities', 'Testing'));
is_deeply([ rows('doc/settings.md', '\w+') ],
	[ sort split /\n/, $node->safe_psql('postgres', q{SELECT substr(name, 16) FROM pg_settings WHERE name LIKE 'order\\_workflow.%'}) ],
	'all settings are documented');
is(join(', ', undocumented_columns($node)), '', 'all columns of views are documented');
$node->stop;
is_deeply([ rows('doc/reference.md', 'OW\d{3}') ], [ sqlstates() ], 'all SQLSTATEs are documented');
is(join(', ', undocumented_errors()), '', 'all errors in runs are documented');

foreach my $page (@ARGV ? grep { $_ ne 'testing' } @ARGV : qw(activities definitions language children runs privileges operations workers versions schedules observability))
{
	$node = start_cluster($page, $page eq 'schedules' ? @pg_cron : ());
	if ($page eq 'observability')
	{
		play($node, $failed_order, examples("doc/$page.md", undef, 'Alerts'));
		play($node, @start, examples("doc/$page.md", 'Alerts'));
	}
	else
	{
		play($node, @start, examples("doc/$page.md"));
	}
  SKIP:
	if ($page eq 'activities')
	{
		skip 'there is no psycopg2', 1 if system('/usr/bin/python3 -c "import psycopg2" 2>/dev/null') != 0;
		work($node);
		is($node->safe_psql('shop', q{SELECT workflow.result('python')}), '{"van": "lamp"}', 'the worker in Python works');
	}
	$node->stop;
}

# The page about testing is in files: its first test runs from them, and the others are parts of examples, which are tests, too
# (testing_examples.pl).  What it shows of verdicts is what that example gives.
if (!@ARGV || grep { $_ eq 'testing' } @ARGV)
{
	my ($saga, $first_test, @others) = examples('doc/testing.md');
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $example = join('', map { slurp_file($_) } glob "$root/examples/testing/*.sql") =~ s/\s+/ /gr;
	my ($setup, $asserted) = split /^SELECT plan\(\d+\);\n/m, slurp_file("$root/examples/testing/order_mocks_test.sql");
	my $verdicts = '';

	$node = start_cluster('testing');
	$node->safe_psql('postgres', 'CREATE EXTENSION order_workflow_test CASCADE');
	append_to_file("$folder/order_saga.sql", $saga->{sql});
	append_to_file("$folder/order_saga_test.sql", $first_test->{sql});
	like($node->safe_psql('postgres', "\\i $folder/order_saga_test.sql"), qr/\A1\.\.2\nok 1\b.*\nok 2\b.*\z/, 'the first test passes');
	foreach my $other (grep { ($_->{shown} // '') =~ /^# +expected:|^ok /m } @others)
	{
		$verdicts .= $other->{sql} if $other->{shown} =~ /^#/;
	}
	$asserted =~ s/SELECT \* FROM finish\(\);.*//s;
	append_to_file("$folder/verdicts.sql", "${setup}SELECT no_plan();\n$asserted${verdicts}ROLLBACK;\n");
	$verdicts = $node->safe_psql('postgres', "\\i $folder/verdicts.sql");
	foreach my $other (grep { $_->{sql} !~ /\\set history/ } @others)
	{
		my $shown = $other->{shown} // '';

		if ($shown =~ /^# +expected:|^ok /m)
		{
			cmp_ok(index(constant($verdicts), constant($shown)), '>=', 0, "$other->{at}: shows what is printed") or diag($verdicts);
		}
		else
		{
			cmp_ok(index($example, $other->{sql} =~ s/\s+/ /gr), '>=', 0, "$other->{at}: stands in the examples");
		}
	}
	$node->stop;
}

done_testing();
