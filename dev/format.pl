#!/usr/bin/env perl
#
# Formats the C sources as PostgreSQL formats its own, in lines of 100 columns.
#
#   dev/format.pl [FILE ...]           rewrites the files (all of src/, test/fuzz/ and exporter/ if none is named)
#   dev/format.pl --check [FILE ...]   shows what it would change, and fails if that is anything
#
# It runs pg_bsd_indent, and keeps away from it what that does badly.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use File::Temp;

my @options = qw(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l100 -lp -lpl
	-nip -npro -sac -tpg -ts4);
my $root = dirname(dirname(abs_path($0)));
my @sources = ("$root/src", "$root/test/fuzz", "$root/exporter");
my $work = File::Temp->newdir;
my $quoted = qr/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*.*?\*\//s;
my $braces = qr/(\{(?:$quoted|[^{}"'\/]++|\/|(?-1))*\})/;

sub read_file
{
	my ($name) = @_;

	open my $file, '<', $name or die "cannot read $name: $!\n";
	local $/;
	return scalar <$file>;
}

sub write_file
{
	my ($name, $text) = @_;

	open my $file, '>', $name or die "cannot write $name: $!\n";
	print $file $text;
	close $file or die "cannot write $name: $!\n";
}

# Lists C's headers and sources below the directories.
sub list_files
{
	return map { chomp; $_ } qx(find @_ -name '*.[ch]' | sort);
}

# Writes the names of all types, without which the indenter takes "Thing *thing" for a product: those
# of C, of the server's headers and ours, but for a few that name variables more often than types.
sub write_typedefs
{
	my ($name) = @_;
	my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
	my $headers = qx($pg_config --includedir-server) || die "$pg_config does not run\n";
	my %types = map { $_ => 1 } qw(bool FILE int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t
		uint64_t intptr_t uintptr_t pid_t sigjmp_buf sigset_t size_t ssize_t time_t va_list);

	chomp $headers;
	foreach my $file (list_files($headers, @sources))
	{
		my $source = read_file($file);

		while ($source =~ /^[ \t]*(typedef\b(?:[^;{}]|(\{(?:[^{}]++|(?2))*\}))*;)/gm)
		{
			my $typedef = $1 =~ s/\{.*\}//sr;

			$types{$1} = 1
			  if $typedef =~ /\(\*\s*(\w+)\)/
			  || $typedef =~ /(\w+)(?:\[[^]]*\])?;$/
			  || $typedef =~ /(\w+)\s*\(/;
		}
	}
	delete @types{qw(chr color date defined interval pointer string symbol timestamp type)};
	write_file($name, join("\n", sort(keys %types), ''));
}

# Puts a piece of source aside; gives what stands for it.
sub hide
{
	my ($piece, $hidden) = @_;

	push @$hidden, $piece;
	return "hidden_piece_$#$hidden";
}

# Hides from the indenter what it should not touch.
sub protect
{
	my ($source, $hidden) = @_;

	# To comments of the other kind.
	$source =~ s{($quoted)|//[ \t]*([^\n]*)}{$1 // "/* $2 */"}ge;
	# Compound literals, (Type) {...}: taken for blocks.
	$source =~ s{($quoted)|(?:(?<=[=(,&?:])|(?<=[=(,&?:]\ ))(\((?:struct )?\w+(?:\[\w*\])?\))\s*$braces}
		{$1 // hide("$2 $3", $hidden)}gsex;
	# Strings that are not ASCII: garbled.
	$source =~ s{($quoted)}{my $piece = $1; $piece =~ /^".*[^\x00-\x7f]/ ? hide($piece, $hidden) : $piece}ge;
	# Variables named text: taken for declarations.
	$source =~ s/($quoted)|\btext\b(?!\s*\*)/$1 \/\/ 'te_t'/gse;
	# Comments that open with dashes: they are laid out by hand.
	$source =~ s{/\* (?=---)}{/*-_}g;
	return $source;
}

# Reveals it again and mends the rest.
sub restore
{
	my ($source, $hidden) = @_;

	$source =~ s/\bte_t\b/text/g;
	# The type of a function, alone on its line.
	$source =~ s/^(\w\S*)[ \t]+\*$/$1 */gm;
	# ".field" and "..." after a comma.
	$source =~ s/($quoted)|,(?=\.)/$1 \/\/ ', '/gse;
	# Further lines of a declaration's value, which it does not indent.
	1 while $source =~ s{^(\t+)((?!/\*)[^\n=#]*[^\n=!<>]\ =\ [^;{}]*?[^\s;{},\\/])(\n\1(?=[^\s{}\#/])[^;{}]*;)}
		{my ($first, $rest) = ("$1$2", $3); $first . $rest =~ s/\n/\n\t/gr}mxe;
	$source =~ s{/\*-_}{/* }g;
	1 while $source =~ s/\bhidden_piece_(\d+)\b/$hidden->[$1]/;
	return $source;
}

sub format_source
{
	my ($source) = @_;
	my @hidden;

	write_file("$work/in.c", protect($source, \@hidden));
	my $messages = qx(pg_bsd_indent $work/in.c $work/out.c -U$work/typedefs @options 2>&1);
	die $messages || "pg_bsd_indent does not run: see dev/install_packages.sh\n" if $? || $messages;
	my $formatted = restore(read_file("$work/out.c"), \@hidden);
	die "formatting would change more than white space\n"
	  if $source =~ s{[\s*/]}{}gr ne $formatted =~ s{[\s*/]}{}gr;
	return $formatted;
}

my $check = @ARGV && $ARGV[0] eq '--check' && shift;
my $failed = 0;

write_typedefs("$work/typedefs");
foreach my $file (@ARGV ? @ARGV : list_files(@sources))
{
	my $source = read_file($file);
	my $formatted = eval { format_source($source) };

	if (!defined $formatted)
	{
		print STDERR "$file: $@";
		$failed = 1;
		next;
	}
	next if $source eq $formatted;
	if ($check)
	{
		$failed = 1;
		write_file("$work/formatted", $formatted);
		system('diff', '-u', '--label', $file, '--label', "$file, formatted", $file, "$work/formatted");
	}
	else
	{
		write_file($file, $formatted);
	}
}
exit $failed;
