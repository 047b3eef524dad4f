# Pictures: Graphviz draws what workflow.describe gives, of the examples and of definitions made to break it, with
# every text in it as it is; that for Mermaid is of known form; those in doc/ are up to date.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IPC::Run;
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = dirname(abs_path(__FILE__));
my ($root) = grep { -d "$_/examples" } "$here/..", "$here/../..";

my $node = PostgreSQL::Test::Cluster->new('pictures');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'client_min_messages = error');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION order_workflow');

# The lines of a text in order
sub ordered
{
	my ($lines) = @_;

	return join("\n", sort split /\n/, $lines);
}

sub query
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# Draws it.  Nothing may be remarked upon.
sub draw
{
	my ($dot, $name) = @_;
	my ($svg, $errors) = ('', '');
	my $drawn = IPC::Run::run([ 'dot', '-Tsvg' ], '<', \$dot, '>', \$svg, '2>', \$errors);

	ok($drawn && $errors eq '', "Graphviz draws $name") or diag($errors, $dot);
	return $svg;
}

# Blanks, and what is none but drawn as one
my $blanks = '[\s[:cntrl:]\u0085\u00a0\u2028\ufffe\uffff]+';

# What stands in a picture, a line of text each: where, a tab, the text.  Blanks are one, and none at the ends.
sub texts_of
{
	my ($svg) = @_;

	return ordered(query(
		qq{
		SELECT concat_ws(E'\\t', t.id, btrim(regexp_replace(t.line, '$blanks', ' ', 'g')))
		FROM XMLTABLE(XMLNAMESPACES('http://www.w3.org/2000/svg' AS s), '//s:g[\@class]/s:text'
			PASSING XMLPARSE(DOCUMENT \$_svg_\$$svg\$_svg_\$)
			COLUMNS id text PATH '../s:title', line text PATH '.') t
		WHERE regexp_replace(t.line, '$blanks', '', 'g') <> ''}));
}

# What has to be there: all names, and what is said of them.
sub texts_wanted
{
	my ($definition) = @_;

	return ordered(query(
		qq{
		SELECT concat_ws(E'\\t', t.id, btrim(regexp_replace(l.line, '$blanks', ' ', 'g')))
		FROM (VALUES (\$_definition_\$$definition\$_definition_\$)) AS d (source)
		CROSS JOIN LATERAL (
			SELECT CASE WHEN n.kind = 'Open' THEN 'cluster_' || n.id ELSE n.id END, n.label
			FROM workflow.definition_nodes(d.source) n
			UNION ALL
			SELECT e.from_id || '->' || e.to_id, e.label
			FROM workflow.definition_edges(d.source) e
			WHERE e.kind NOT IN ('Start', 'Retry', 'Fail')) AS t (id, label)
		CROSS JOIN LATERAL regexp_split_to_table(workflow.picture_lines(t.label), '\\n') AS l (line)
		WHERE regexp_replace(l.line, '$blanks', '', 'g') <> ''}));
}

# Each line of a Mermaid flowchart is of one of these forms; what is named is there, once; what is opened is closed.
my $text = qr/"(?:[A-Za-z0-9 _.,:()=+\/-]|[^\x00-\x7f]|#\d+;|<br\/>)*"/;
my $id = qr/[a-z]+(?:\d+(?:_\d+)?)?/;
my $shape = qr/\[$text\]|\{$text\}|\($text\)|\(\[$text\]\)|\[\[$text\]\]|\{\{$text\}\}|\[\/$text\/\]|>$text\]|\(\(" "\)\)/;

sub check_mermaid
{
	my ($mermaid, $name) = @_;
	my ($first, @lines) = split /\n/, $mermaid, -1;
	my (%nodes, @mistakes);
	my $level = 1;

	push @mistakes, $first unless $first eq 'flowchart TD';
	foreach my $line (@lines)
	{
		my ($indent, $rest) = $line =~ /^( *)(.*)$/;

		if ($rest eq 'end')
		{
			$level--;
		}
		elsif ($rest =~ /^($id) (?:-->|-\.->|-\.-o) (?:\|$text\| )?($id)$/)
		{
			push @mistakes, $line unless $nodes{$1} && $nodes{$2};
		}
		elsif ($rest !~ /^(?:subgraph ($id)\[$text\]|($id)$shape)$/ || $nodes{ $1 // $2 }++)
		{
			push @mistakes, $line;
		}
		push @mistakes, $line unless length($indent) == 4 * $level;
		$level++ if $rest =~ /^subgraph /;
	}
	push @mistakes, 'something is left open' if $level != 1;
	is(join("\n", @mistakes), '', "the Mermaid of $name is of known form");
	return;
}

sub check_pictures
{
	my ($name, $definition, $describe) = @_;
	my $dot = query($describe->('dot'));
	my $svg = draw($dot, $name);

	is(texts_of($svg), texts_wanted($definition), "…with every text of $name");
	my $edges = query(
		"SELECT count(*) FROM workflow.definition_edges(\$_definition_\$$definition\$_definition_\$) WHERE kind NOT IN ('Retry', 'Fail')"
	);
	my $drawn = () = $svg =~ /<g [^>]*class="edge"/g;
	is($drawn, $edges, "…and every edge of $name");
	check_mermaid(query($describe->('mermaid')), $name);
	return;
}

# The workflows of the database
sub check_registered
{
	foreach my $name (split /\n/, query('SELECT DISTINCT workflow FROM workflow.definitions ORDER BY 1'))
	{
		check_pictures(
			$name,
			query("SELECT source FROM workflow.definitions WHERE workflow = '$name' AND is_current"),
			sub { "SELECT workflow.describe('$name', format => '$_[0]')" });
	}
	return;
}

# ---- the examples and one that nests, as they are registered ----

query(
	q{
	SELECT workflow.register('Nested', $asl${
		"StartAt": "Both",
		"Defaults": {"TimeoutSeconds": 60},
		"Templates": {"Do": {"Type": "Task", "Resource": "Do", "Compensate": "Undo"}},
		"States": {
			"Both": {"Type": "Parallel", "Next": "Each", "Compensate": "UndoBoth",
				"Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2}],
				"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}],
				"Branches": [
					{"StartAt": "One", "States": {"One": {"Use": "Do", "End": true}}},
					{"StartAt": "Two", "States": {
						"Two": {"Type": "Map", "ItemsPath": "$.two", "MaxConcurrency": 3, "End": true,
							"ItemProcessor": {"StartAt": "In two", "States": {
								"In two": {"Type": "Choice", "Default": "Bad",
									"Choices": [{"Variable": "$.x", "IsNull": false, "Next": "Good"}]},
								"Good": {"Type": "Succeed"}, "Bad": {"Type": "Fail", "Error": "Bad"}}}}}}]},
			"Each": {"Type": "Map", "Iterator": {"StartAt": "Three", "States": {"Three": {"Use": "Do", "End": true}}},
				"End": true},
			"Sorry": {"Type": "Fail", "Error": "Sorry"}},
		"OnError": "Sorry"
	}$asl$)});

foreach my $file (glob "$root/examples/*/definitions.sql")
{
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-o', '/dev/null', '-f', $file ],
		'the workflows of ' . basename(dirname($file)));
}
cmp_ok(query('SELECT count(*) FROM workflow.definitions'), '>=', 2, 'there are examples');
check_registered();

# ---- the pictures in doc/ ----

is(query("SELECT workflow.describe('OrderSaga', format => 'dot')") . "\n",
	slurp_file("$root/doc/order_saga.dot"), 'doc/order_saga.dot is up to date: else run "make pictures"');
is(texts_of(slurp_file("$root/doc/order_saga.svg")),
	texts_of(draw(slurp_file("$root/doc/order_saga.dot"), 'doc/order_saga.dot')),
	'so is doc/order_saga.svg');

# ---- names and labels that mean something to those who draw ----

my @nasty = (
	'"', '\\', '\\N', '\\\\"', '"; drop [x] -> { y', ']]', '}', '))', '"]', '</title>', '<b>bold</b>', '<br/>', '&lt;', '&amp;',
	'&#34;', '&nosuch;', '#34;', '#quot;', 'end', 'subgraph', 'graph', 'class', 'click s1 "javascript:alert(1)"', '%%{init: {}}%%',
	'%% comment', '$$x^2$$', '`**markdown**`', '--> s2', '-.-> |x| s3', ';', '|', '||', "line\nbreak", "\n\n", "tab\there", "\r\n", "'", '$1',
	' ', '  two  blanks  ', "\x01\x1b\x7f", 'żółć 注文 заказ', '🚚📦', "e\xcc\x81", "\xe2\x80\xae right to left", "\xc2\xa0", "\xc2\x85",
	"\xef\xbf\xbe\xef\xbf\xbf", "\xe2\x80\xa8", '//', '/* */', '\l\r\n', 'label="', 'http://example.com/?a=b&c=d', '@{ shape: x }',
	':::', 'A --- B', '~~~', '-' x 80, 'x' x 80, 'word ' x 16, '{% input->\'a\' %}', '%}', 'direction LR', 'style s1 fill:red', 's1', '0');

# A JSON string, also of what is not plain
sub json_string
{
	my ($value) = @_;

	$value =~ s/([\\"])/\\$1/g;
	$value =~ s/([\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
	return qq("$value");
}

# A Choice that leads everywhere and calls everything by the name.  The number makes names differ that have to.
sub nasty_machine
{
	my ($number, $nasty, $more) = @_;
	my ($name, $error, $undo) = map { json_string($_) } ($nasty, "$nasty E", "$nasty U");
	my $choice = json_string(substr("$number $nasty", 0, 80));
	my $fail = json_string(substr("$nasty F$number", -80));

	$nasty =~ s/'/''/g;
	my $condition = json_string("{% input->>'x' = '$nasty' %}");
	return qq({
		"StartAt": $choice,
		"States": {
			$choice: {"Type": "Choice", "Default": $fail, "Choices": [
				{"Variable": "\$.x", "StringEquals": $name, "Next": $name},
				{"Condition": $condition, "Next": $name}]},
			$name: {"Type": "Task", "Resource": $name, "Compensate": {"Resource": $undo}, "End": true,
				"Retry": [{"ErrorEquals": [$error], "MaxAttempts": 2}],
				"Catch": [{"ErrorEquals": [$error, $name], "Next": $fail}]},
			$fail: {"Type": "Fail", "Error": $name}$more}});
}

# Maps within maps, eight deep, as a branch of a Parallel
for (my $first = 0; $first < @nasty; $first += 8)
{
	my $nested = '';

	foreach my $number (reverse $first .. min($first + 7, $#nasty))
	{
		my $items = json_string("\$.$nasty[$number]");
		my $machine = nasty_machine($number, $nasty[$number], $nested);

		$nested = qq(, "map $number": {"Type": "Map", "ItemsPath": $items, "End": true, "ItemProcessor": $machine});
	}
	$nested =~ s/^, //;
	my $definition = qq({"StartAt": "All", "OnError": "All", "OnCancel": "All", "OnTimeout": "All",
		"Defaults": {"Retry": [{"ErrorEquals": ["\\"<&;#\\\\"], "MaximumAttempts": 4}]},
		"States": {"All": {"Type": "Parallel", "End": true, "Branches": [
			{"StartAt": "map $first", "States": {$nested}},
			{"StartAt": "Pass it", "States": {"Pass it": {"Type": "Pass", "End": true}}}]}}});
	check_pictures("names from number $first on",
		$definition, sub { "SELECT workflow.describe_$_[0](\$_definition_\$$definition\$_definition_\$)" });
}

$node->stop;
done_testing();
