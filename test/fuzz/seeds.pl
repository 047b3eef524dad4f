#!/usr/bin/env perl
#
# Writes the fuzzer's first cases: every definition in the tree's examples, tests and documents, and those
# of a folder of recorded cases.
#
#   test/fuzz/seeds.pl INTO [FOLDER]
#
# In SQL and Markdown, whatever stands between quotes or in a block and is a JSON object may be a
# definition, its States, or one state: the last two are made whole. Every other object is tried as input.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::MD5 qw(md5_hex);
use File::Basename;
use JSON::PP;

my ($into, $folder) = @ARGV;
my $here = dirname(abs_path($0));
my $root = dirname(dirname($here));
my $json = JSON::PP->new->utf8->canonical->allow_nonref->allow_bignum;
my $script = "v\nl\n= {\"a\": 1}\nv\n! E cause\nv\nt\nv\ny\nv\n";
my @definitions;
my @inputs = ('{}');

sub read_file
{
	my ($name) = @_;

	open my $file, '<:raw', $name or die "cannot read $name: $!\n";
	local $/;
	return scalar <$file>;
}

sub write_case
{
	my ($definition, $input, $lines) = @_;
	my $case = join "\n%%\n", $definition, $input, $lines;

	open my $file, '>:raw', "$into/" . md5_hex($case) or die "cannot write into $into: $!\n";
	print $file $case;
	close $file or die "cannot write into $into: $!\n";
}

# A state by itself becomes a machine.
sub whole
{
	my ($object) = @_;

	return $object if exists $object->{States} || !exists $object->{Type};
	return { StartAt => 'A', States => { A => $object, Z => { Type => 'Succeed' } } };
}

# Takes an object for what it looks like.
sub take
{
	my ($object) = @_;
	my @values = values %$object;
	my $states = grep { ref eq 'HASH' && exists $_->{Type} } @values;

	if (ref $object->{States} eq 'HASH')
	{
		push @definitions, $object;
	}
	elsif (@values && $states == @values)
	{
		my ($start) = sort keys %$object;

		push @definitions, { StartAt => $start, States => $object };
	}
	elsif (exists $object->{Type} && !ref $object->{Type})
	{
		push @definitions, whole($object);
	}
	else
	{
		push @inputs, $json->encode($object);
	}
}

# What is quoted in SQL, and blocks of Markdown
sub take_texts
{
	my ($text) = @_;
	my @quoted;

	push @quoted, $2 while $text =~ /(\$\w*\$)(\s*\{.*?\})\s*\1/gs;
	push @quoted, $1 =~ s/''/'/gr while $text =~ /'(\s*\{(?:[^']|'')*\}\s*)'/g;
	push @quoted, $1 while $text =~ /^```\w*\n(\s*\{.*?)^```/gms;
	foreach (@quoted)
	{
		my $object = eval { $json->decode($_) };

		take($object) if ref $object eq 'HASH';
	}
}

# A recorded case: its own input, and the results its tasks gave
sub take_recorded
{
	my ($case) = @_;
	my @lines;

	return if ref $case->{definition} ne 'HASH';
	foreach my $results (values %{ ref $case->{tasks} eq 'HASH' ? $case->{tasks} : {} })
	{
		foreach (ref $results eq 'ARRAY' ? @$results : ())
		{
			push @lines, exists $_->{output} ? '= ' . $json->encode($_->{output}) :
				$_->{timed_out} ? 't' : '! ' . ($_->{error} // 'E') . ' ' . (($_->{cause} // '') =~ s/\n.*//sr);
		}
	}
	write_case($json->encode(whole($case->{definition})), $json->encode($case->{input} // {}), join("\nv\n", @lines, ''));
}

foreach my $file (glob("$root/README.md $root/doc/*.md $root/examples/*/*.sql $root/test/{sql,pgtap,t}/*.{sql,pl,pm}"))
{
	take_texts(read_file($file));
}
foreach my $n (0 .. $#definitions)
{
	write_case($json->encode($definitions[$n]), $inputs[ $n % @inputs ], $script);
}
foreach my $file (glob("$here/seeds/*.case"))
{
	write_case(split(/\n%%\n/, read_file($file), 3));
}
if (defined $folder)
{
	foreach my $file (glob("$folder/*.json"))
	{
		take_recorded($_) foreach @{ $json->decode(read_file($file))->{cases} };
	}
}
