#!/usr/bin/perl
# What Perl's MCE does with two workers: prints lines of `measure value`, those of bench/tine.lua.
use strict;
use warnings;
use MCE;
use MCE::Map;
use Time::HiRes 'time';

$| = 1;
my ( $NOOPS, $MAP_ITEMS ) = ( 20_000, 1_000_000 );

# From nothing to the first result of each worker.
my $pids  = {};
my $start = time;
my $mce   = MCE->new(
    max_workers => 2,
    chunk_size  => 1,
    gather      => sub { $pids->{ $_[0] } = 1 },
    user_func   => sub { MCE->gather( MCE->pid ) },
);
$mce->spawn;
$mce->process( [ 1 .. 2 ] );
printf "start_2 %.9f\n", time - $start;

# One task for each item, one result from each: MCE has nothing nearer to submit.
$mce->process( [ 1 .. 1000 ] );
$start = time;
$mce->process( [ 1 .. $NOOPS ] );
printf "noops %.3f\n", $NOOPS / ( time - $start );

my ($pid) = keys %$pids;
open my $file, '<', "/proc/$pid/smaps_rollup" or die $!;
/^Pss:\s+(\d+)/ and printf "pss %d\n", $1 * 1024 while <$file>;
$start = time;
$mce->shutdown;
printf "stop_2 %.9f\n", time - $start;

MCE::Map->init( max_workers => 2 );
my @one = mce_map { $_ + 1 } 1 .. 10;
$start = time;
my @all = mce_map { $_ + 1 } 1 .. $MAP_ITEMS;
printf "map %.3f\n", $MAP_ITEMS / ( time - $start );
MCE::Map->finish;
