# Prometheus itself scrapes the exporter: what it has is what the tables have. The exporter outlives its database, and
# waits for nobody for long. Rules, dashboard and configuration of examples/prometheus are good, and ask for nothing that
# there is not.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $here = dirname(abs_path(__FILE__));
my ($root) = grep { -d "$_/examples" } "$here/..", "$here/../..";
my $examples = "$root/examples/prometheus";

foreach my $program ('prometheus', 'promtool', 'order_workflow_exporter')
{
	plan skip_all => "$program is not installed" unless grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

my $http = HTTP::Tiny->new(timeout => 30);
my $work = PostgreSQL::Test::Utils::tempdir();
my $limit = $ENV{PROMETHEUS_LIMIT} // $PostgreSQL::Test::Utils::timeout_default;

# Is it so, sooner or later?
sub comes
{
	my ($condition, $what) = @_;
	my $until = time + $limit;

	while (time < $until)
	{
		return pass($what) if $condition->();
		sleep 0.1;
	}
	return fail($what);
}

# Runs promtool with this on stdin.
sub promtool
{
	my ($input, @arguments) = @_;
	my $output = '';
	my $good = IPC::Run::run([ 'promtool', @arguments ], '<', \$input, '>', \$output, '2>&1');

	return ($good, $output);
}

sub promtool_ok
{
	my ($input, $what, @arguments) = @_;
	my ($good, $output) = promtool($input, @arguments);

	return ok($good, $what) || diag($output);
}

# ---- files ----

promtool_ok('', 'the rules are rules', 'check', 'rules', "$examples/order_workflow.rules.yml");
promtool_ok('', 'the configuration is one', 'check', 'config', "$examples/prometheus.yml");
promtool_ok('', 'alerts come when they should', 'test', 'rules', "$examples/order_workflow.test.yml");
my ($good) = promtool(slurp_file("$examples/order_workflow.test.yml") =~ s/3 runs of Order/4 runs of Order/r =~ s/\[order_workflow/[$examples\/order_workflow/r,
	'test', 'rules', '/dev/stdin');
ok(!$good, 'or else the tests would say so');

# ---- the server ----

my $node = PostgreSQL::Test::Cluster->new('prometheus');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', $_)
  foreach ("shared_preload_libraries = 'order_workflow, pg_cron'", "cron.database_name = 'postgres'", 'cron.use_background_workers = on',
	'max_prepared_transactions = 2', "order_workflow.idle_timeout = '10 min'", 'client_min_messages = error');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION order_workflow;
	CREATE EXTENSION pg_cron;
	CREATE ROLE shop LOGIN;
	CREATE SCHEMA shop AUTHORIZATION shop;
	SELECT workflow.grant_usage('shop');
	GRANT USAGE ON SCHEMA cron TO shop;
	CREATE ROLE watch LOGIN;
	SELECT workflow.grant_reader('watch');
	CREATE ROLE stranger LOGIN});
$node->safe_psql('postgres', "SET ROLE shop;\n" . slurp_file("$here/prometheus.sql"));

# ---- alerts inside and outside ----

my %severities = slurp_file("$examples/order_workflow.rules.yml") =~ /- alert: OrderWorkflow(\w+).*?severity: (\w+)/sg;
my %inside = $node->safe_psql('postgres', 'SELECT name, lower(severity) FROM workflow.alert_rules') =~ /^(\w+)\|(\w+)$/mg;
my @shared = sort grep { $inside{$_} } keys %severities;
is("@shared", 'BacklogAge CompensationFailed HeartbeatMisses RetryStorm ScheduleMissed Stuck VacuumHeldBack', 'what both find has one name');
is_deeply({ map { $_ => $severities{$_} } @shared }, { map { $_ => $inside{$_} } @shared }, '... and one severity');

# ---- the exporter ----

# Starts one; gives its process, the port, and where what it says goes.
sub start_exporter
{
	my ($user, @options) = @_;
	my ($out, $err) = ('', '');
	my $process = IPC::Run::start(
		[
			'order_workflow_exporter', '--listen', '127.0.0.1:0', @options,
			'--dbname', 'host=' . $node->host . ' port=' . $node->port . " dbname=postgres user=$user"
		],
		'<', \undef, '>', \$out, '2>', \$err);

	$process->pump until $out =~ /listening on port (\d+)/ || !$process->pumpable;
	my ($port) = $out =~ /listening on port (\d+)/ or die "no exporter: $err";
	return { process => $process, url => "http://127.0.0.1:$port", err => \$err };
}

# What it has written to stderr, sooner or later
sub says
{
	my ($exporter, $pattern, $what) = @_;

	return comes(sub { $exporter->{process}->pump_nb; ${ $exporter->{err} } =~ $pattern }, $what);
}

sub stop
{
	my ($exporter) = @_;

	$exporter->{process}->signal('TERM');
	return $exporter->{process}->finish && $exporter->{process}->full_result(0) == 0;
}

command_like([ 'order_workflow_exporter', '--help' ], qr/--listen=ADDRESS:PORT.*127\.0\.0\.1:2112/s, 'help');
command_like([ 'order_workflow_exporter', '-V' ], qr/^order_workflow_exporter \d/, 'version');
command_fails_like([ 'order_workflow_exporter', '--listen', $_ ], qr/--listen is ADDRESS:PORT, not: \Q$_\E/, "no place to listen: \"$_\"")
  foreach '2112', 'localhost:http:x', '127.0.0.1:';
command_fails_like([ 'order_workflow_exporter', '--timeout', $_ ], qr/--timeout is a number of seconds/, "no timeout: \"$_\"") foreach '0', '5s';
command_fails_like([ 'order_workflow_exporter', 'postgres' ], qr/there are options only, such as --dbname/, 'no argument');

my $exporter = start_exporter('watch');
my $url = $exporter->{url};
command_fails_like([ 'order_workflow_exporter', '--listen', $url =~ s/.*\///r ], qr/cannot listen on \S+: Address already in use/, 'a port that is taken');

is($http->get("$url/healthz")->{content}, "ok\n", 'it is alive');
is($http->get("$url/other")->{status}, 404, 'there is nothing else');
is($http->post("$url/metrics", { content => 'x' x 100000 })->{status}, 405, 'nothing can be sent to it');
is($http->head("$url/metrics")->{status}, 200, 'HEAD');
like($http->get("$url/metrics")->{headers}{'content-type'}, qr/^text\/plain; version=0\.0\.4/, 'the exposition format');

# ---- Prometheus ----

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $prometheus_url = "http://127.0.0.1:$port";
my $config = slurp_file("$examples/prometheus.yml");
my $target = $url =~ s/http:\/\///r;
$config =~ s/127\.0\.0\.1:2112/$target/ or die 'no target';
$config =~ s/\[order_workflow.rules.yml\]/['$examples\/order_workflow.rules.yml']/ or die 'no rules';
$config =~ s/15s/1s/g;
$config =~ s/scrape_timeout: 10s/scrape_timeout: 1s/ or die 'no timeout';
append_to_file("$work/prometheus.yml", $config);
promtool_ok('', 'the configuration with this target', 'check', 'config', "$work/prometheus.yml");
my $log = "$work/prometheus.log";
my $prometheus = IPC::Run::start(
	[
		'prometheus', "--config.file=$work/prometheus.yml", "--storage.tsdb.path=$work/tsdb", "--web.listen-address=127.0.0.1:$port",
		'--log.level=warn'
	],
	'<', \undef, '>', $log, '2>&1');
comes(sub { $http->get("$prometheus_url/-/ready")->{success} }, 'Prometheus is there') or diag(slurp_file($log));

sub ask
{
	my ($path, %parameters) = @_;
	my $answer = $http->get("$prometheus_url/api/v1/$path?" . $http->www_form_urlencode(\%parameters));

	return $answer->{success} ? decode_json($answer->{content})->{data} : {};
}

# What a query gives, a line for each series: the labels that are asked for and the value
sub values_of
{
	my ($expression, @labels) = @_;
	my $data = ask('query', query => $expression);

	return join "\n", sort map { my $series = $_; join('|', (map { $series->{metric}{$_} // '' } @labels), 0 + $series->{value}[1]) } @{ $data->{result} // [] };
}

# Prometheus and the tables agree, sooner or later
sub agree
{
	my ($what, $sql, $expression, @labels) = @_;
	my ($wanted, $got);

	comes(
		sub {
			$wanted = join "\n", sort map { s/(\|?)([\d.]+)$/$1 . (0 + $2)/er } split /\n/, $node->safe_psql('postgres', $sql);
			$got = values_of($expression, @labels);
			return $wanted ne '' && $wanted eq $got;
		},
		"Prometheus has $what") or diag(join "\n", 'the tables have:', $wanted, 'Prometheus has:', $got);
	return;
}

# ---- orders ----

sub eventually
{
	my ($condition, $what) = @_;

	return ok($node->poll_query_until('postgres', "SELECT $condition"), $what);
}

# One worker answers, the other says nothing more.
eventually("EXISTS (SELECT FROM workflow.pending_activities WHERE workflow_id IN ('answered', 'beats-not') HAVING count(*) = 2)", 'two tasks wait');
$node->safe_psql('postgres', q{SET ROLE shop;
	SELECT workflow.complete_activity(task_token, '1') FROM workflow.poll_activity('ship', 'w1', 2) WHERE workflow_id = 'answered';
	SELECT workflow.cancel('canceled')});
eventually("EXISTS (SELECT FROM workflow.history WHERE workflow_id = 'beats-not' AND event_type = 'ActivityTaskTimedOut')", 'a heartbeat was missed');
eventually("count(*) = 46 FROM workflow.executions WHERE closed_at IS NOT NULL", 'orders are done');
eventually("status = 'Stuck' FROM workflow.executions WHERE workflow_id = 'stuck'", 'one is stuck');
$node->safe_psql('postgres', q{SELECT workflow.open_circuit_breaker('Check', '1 day')});

agree('how runs closed', 'SELECT owner, workflow, version, status, count(*) FROM workflow.executions WHERE closed_at IS NOT NULL GROUP BY 1, 2, 3, 4',
	'order_workflow_executions_closed_total', qw(owner workflow version status));
agree('how many began', 'SELECT workflow, count(*) FROM workflow.executions GROUP BY 1', 'sum by (workflow) (order_workflow_executions_started_total)', 'workflow');
agree('what is open', 'SELECT workflow, status, count(*) FROM workflow.executions WHERE closed_at IS NULL GROUP BY 1, 2',
	'sum by (workflow, status) (order_workflow_executions_open)', qw(workflow status));
agree('how long runs took', 'SELECT workflow, round(sum(extract(epoch FROM closed_at - started_at)), 3) FROM workflow.executions WHERE closed_at IS NOT NULL GROUP BY 1',
	'round(sum by (workflow) (order_workflow_execution_seconds_sum), 0.001)', 'workflow');
agree('the histogram of a definition, with its labels', q{
	SELECT status, version, input->>'region', count(*) FROM workflow.executions WHERE workflow = 'order' AND closed_at IS NOT NULL GROUP BY 1, 2, 3},
	'order_processing_time_count{owner="shop", workflow="order"}', qw(status version region));
agree('its buckets', q{
	SELECT b, count(*) FILTER (WHERE extract(epoch FROM closed_at - started_at) <= b::float8)
	FROM workflow.executions, unnest('{0.5,5,60,+Inf}'::text[]) b WHERE workflow = 'order' AND closed_at IS NOT NULL GROUP BY 1},
	'sum by (le) (order_processing_time_bucket)', 'le');
agree('its counter', q{SELECT sum((output->>'amount')::int) FROM workflow.executions WHERE workflow = 'order' AND status = 'Completed'},
	'sum(order_euros_total)');
agree('values that were missing', q{SELECT 'order_gifts', 'missing', count(*) FROM workflow.executions WHERE workflow = 'order' AND closed_at IS NOT NULL},
	'order_workflow_metric_values_unusable_total', qw(metric reason));
agree('an application\'s counter, of what was not rolled back', q{SELECT 'a"b\c', sum((input->>'amount')::int) FROM workflow.executions WHERE workflow_id NOT LIKE 'declined-%'},
	'sum by (card) (euros_paid_total)', 'card');
agree('attempts by outcome', q{
	SELECT a.activity, right(a.event_type, -12), count(*) FROM (
		SELECT h.event_type, coalesce(c.activity, CASE WHEN h.attributes ? 'compensation' THEN 'Refund' ELSE h.state END) AS activity
		FROM workflow.history h LEFT JOIN LATERAL (SELECT NULL::text AS activity) c ON true
		WHERE h.event_type IN ('ActivityTaskCompleted', 'ActivityTaskFailed', 'ActivityTaskTimedOut')) a GROUP BY 1, 2},
	'label_replace(label_replace(label_replace(sum by (activity, outcome) (order_workflow_activity_attempts_total), "outcome", "Completed", "outcome", "completed"), '
	  . '"outcome", "Failed", "outcome", "failed"), "outcome", "TimedOut", "outcome", "timed_out")', qw(activity outcome));
agree('missed heartbeats', q{SELECT 'Ship', count(*) FROM workflow.history WHERE event_type = 'ActivityTaskTimedOut'},
	'sum by (activity) (order_workflow_heartbeats_missed_total)', 'activity');
agree('retries', q{SELECT 'Ship', count(*) FROM workflow.history WHERE event_type = 'ActivityTaskTimedOut' AND attributes ? 'retry_at'},
	'sum by (activity) (order_workflow_activity_retries_total)', 'activity');
agree('failed compensations', q{SELECT workflow, count(*) FROM workflow.compensations WHERE status = 'Failed' GROUP BY 1},
	'sum by (workflow) (order_workflow_compensations_failed)', 'workflow');
agree('the backlog of a queue', q{SELECT task_queue, backlog FROM workflow.task_queues WHERE task_queue = 'ship'},
	'order_workflow_task_queue_backlog{task_queue="ship"}', 'task_queue');
agree('times of schedules', q{
	SELECT name, outcome, 0 FROM workflow.schedules, unnest('{started,skipped,missed,failed}'::text[]) outcome},
	'order_workflow_schedule_times_total', qw(schedule outcome));
agree('the engine', q{SELECT (workflow.engine_status() = 'Running')::int}, 'order_workflow_engine_running');

# ---- rules ----

comes(sub { my @rules = map { @{ $_->{rules} } } @{ ask('rules')->{groups} // [] }; @rules >= 14 && !grep { $_->{health} ne 'ok' } @rules },
	'all rules can be evaluated');
comes(sub { grep { $_->{labels}{alertname} eq 'OrderWorkflowCompensationFailed' && $_->{state} eq 'firing' } @{ ask('alerts')->{alerts} // [] } },
	'the failed compensation is an alert');

# ---- names ----

# With something running, and then with something late
my %early = $http->get("$url/metrics")->{content} =~ /^# TYPE (\w+) (\w+)$/mg;
$node->append_conf('postgresql.conf', 'order_workflow.enabled = off');
$node->safe_psql('postgres', q{SET ROLE shop; SELECT workflow.start('nightly', workflow_id => 'late', start_delay => '1 s')});
$node->reload;
$node->safe_psql('postgres', q{UPDATE workflow.schedule SET next_time = now() - interval '3 min'});
my $exposition;
comes(sub { $exposition = $http->get("$url/metrics")->{content}; $exposition =~ /^order_workflow_timers_late\{/m && $exposition =~ /^order_workflow_schedules_late\{/m },
	'what is late is shown');
promtool_ok($exposition, 'the exposition is one', 'check', 'metrics');
my %kinds = (%early, $exposition =~ /^# TYPE (\w+) (\w+)$/mg);
foreach my $file ('order_workflow.rules.yml', 'order_workflow.test.yml', 'dashboard.json')
{
	my $text = slurp_file("$examples/$file");

	decode_json($text) if $file =~ /json$/;
	# what else begins so: files, jobs, and what people read
	$text =~ s/order_workflow\.(rules|test)\.yml|"?order_workflow"?[,}\s\]]//g;
	my %used = map { $_ => 1 } $text =~ /\b(order_workflow_\w+)/g;
	my @unknown = grep { my $name = $_; !$kinds{$name} && ($kinds{ $name =~ s/_(bucket|sum|count)$//r } // '') ne 'histogram' } sort keys %used;

	cmp_ok(scalar(keys %used), '>', 10, "$file asks for metrics");
	is("@unknown", '', 'all of which there are');
}
my $documented = slurp_file("$root/doc/observability.md");
my @silent = grep { my $name = s/^order_workflow_//r; $documented !~ /`(order_workflow_)?\Q$name\E`/ } grep { /^order_workflow_/ } sort keys %kinds;
is("@silent", '', 'all metrics are documented');
my %mentioned = map { $_ => 1 } slurp_file("$examples/order_workflow.rules.yml") =~ /workflow\.(\w+)/g;
delete @mentioned{qw(rules test yml max_workers max_metrics)};
is($node->safe_psql('postgres', 'SELECT string_agg(name, $$ $$) FROM unnest($${' . join(',', keys %mentioned) . '}$$::text[]) name '
	. 'WHERE to_regclass($$workflow.$$ || name) IS NULL AND NOT EXISTS (SELECT FROM pg_proc WHERE proname = name)'), '', 'and so is what alerts advise');

# A reader sees what a superuser sees, but for what is older at each look
my $stable = q{SELECT md5(string_agg(l, E'\n' ORDER BY l)) FROM string_to_table(workflow.prometheus_metrics(), E'\n') l
	WHERE l !~ '_seconds|executor|vacuum|batch_runs'};
is($node->safe_psql('postgres', "SET ROLE watch; $stable"), $node->safe_psql('postgres', $stable), 'a reader sees all');

# ---- what holds back vacuum ----

my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()');
$node->safe_psql('postgres', q{SELECT pg_current_xact_id()}) for 1 .. 20;
comes(sub { values_of('order_workflow_vacuum_held_back_transactions{holder="session"} >= bool 20') eq '1' }, 'an old snapshot shows, to a reader, too');
$old->query_safe('COMMIT');
$old->quit;
comes(sub { values_of('order_workflow_vacuum_held_back_transactions{holder="session"} >= bool 20') eq '0' }, 'and its end');
$node->safe_psql('postgres', q{BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'old'});
$node->safe_psql('postgres', q{SELECT pg_current_xact_id()}) for 1 .. 20;
comes(sub { values_of('order_workflow_vacuum_held_back_transactions{holder="prepared"} >= bool 20') eq '1' }, 'a prepared transaction');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'old'});

# ---- when the database does not answer ----

sub scrape { return $http->get("$_[0]/metrics"); }

my $impatient = start_exporter('watch', '--timeout', 1);
is(scrape($impatient->{url})->{status}, 200, 'another exporter');
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE workflow.execution IN ACCESS EXCLUSIVE MODE');
my $refused = scrape($impatient->{url});
is($refused->{status}, 503, 'no metrics while they are locked');
like($refused->{content}, qr/^order_workflow_up 0$/m, 'which its own metrics tell');
unlike($refused->{content}, qr/^order_workflow_executions/m, 'and no others');
is($http->get("$impatient->{url}/healthz")->{status}, 200, 'but it is alive');
$blocker->query_safe('ROLLBACK');
$blocker->quit;
like(scrape($impatient->{url})->{content}, qr/^order_workflow_up 1$/m, 'metrics again');
says($impatient, qr/no metrics.*canceling statement.*there are metrics again/s, 'the log tells why');

# A backend that hangs, as one beyond a network that is gone
my $backend = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE usename = 'watch' ORDER BY backend_start DESC LIMIT 1});
is(scrape($impatient->{url})->{status}, 200, 'both have connections');
kill 'STOP', $backend;
my ($status_1, $status_2) = map { scrape($_)->{status} } $impatient->{url}, $url;
kill 'CONT', $backend;
is("$status_1 $status_2", '503 200', 'a backend that hangs is waited for no longer than that, and by one exporter only');
is(scrape($impatient->{url})->{status}, 200, 'another one is asked next time');

# Many at once
my @children = map
{
	my $child = fork() // die "fork: $!";
	POSIX::_exit(scrape($url)->{success} ? 0 : 1) if $child == 0;
	$child;
} 1 .. 8;
my @bad = grep { waitpid($_, 0); $? != 0 } @children;
is(scalar @bad, 0, 'scrapes at the same time have their turn');

my $stranger = start_exporter('stranger');
is(scrape($stranger->{url})->{status}, 503, 'who may not read gets nothing');
says($stranger, qr/permission denied/, 'and the log tells why');
unlike(scrape($stranger->{url})->{content}, qr/permission|stranger/, 'but not the client');

$node->restart;
is(scrape($url)->{status}, 200, 'a restart goes unnoticed');
agree('counters that began again', q{SELECT 0}, 'sum(order_workflow_metric_values_unusable_total) or vector(0)');
$node->stop('fast');
is(scrape($url)->{status}, 503, 'no server');
is($http->get("$url/healthz")->{status}, 200, 'is no reason to die');
comes(sub { values_of('up{job="order_workflow"}') eq '0' }, 'Prometheus sees it');
$node->start;
comes(sub { values_of('up{job="order_workflow"}') eq '1' }, 'and that it is back');
like(scrape($url)->{content}, qr/^order_workflow_exporter_scrapes_total\{outcome="failed"\} [1-9]/m, 'scrapes that failed are counted');

ok(stop($_), 'it ends when it is told to') foreach $exporter, $impatient, $stranger;
$prometheus->signal('TERM');
$prometheus->finish;
$node->stop;
done_testing();
