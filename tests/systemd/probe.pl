#!/usr/bin/perl
# What a service may do: one line for each act on standard output, `DIRECTIVE ok` or `DIRECTIVE denied
# WHY`. Each is an act that the user orion may do outside of the sandbox, and that the directive of this
# name (systemd.exec) forbids. Then what a worker needs: `needs:FAMILY ok`, and `reads:PATH ok` for each
# path on the command line. scripts/test-systemd runs it under the shipped units and without them, and
# makes the files that are named probe here. Needs perl-base only.
use strict;
use warnings;
use Socket;

my $machine = `uname -m`;
chomp $machine;
my $column = {x86_64 => 0, aarch64 => 1}->{$machine} // die "not prepared for $machine\n";
my %number = (mmap => [9, 222], personality => [135, 92], unshare => [272, 97]);

sub call {
    my ($name, @arguments) = @_;
    return syscall($number{$name}[$column], @arguments) != -1;
}

sub make {
    my ($path) = @_;
    open(my $file, '>', $path) or return 0;
    return close $file;
}

sub status_is {
    my ($what) = @_;
    open(my $file, '<', '/proc/self/status') or die "/proc/self/status: $!\n";
    return scalar grep { /$what/ } <$file>;
}

# In a child: a success would change this process for good.
sub in_child {
    my ($do) = @_;
    my $pid = fork // die "fork: $!\n";
    exit($do->() ? 0 : 1) if $pid == 0;
    waitpid($pid, 0);
    return $? == 0;
}

my $netlink = 16;
my $new_user_namespace = 0x10000000;
my ($read_write_execute, $private_anonymous) = (7, 0x22);
my @acts = (
    [ProtectSystem => sub { make('/srv/probe/file') }],    # the folder belongs to orion
    [ProtectHome => sub { -r '/home/probe/file' }],
    [PrivateTmp => sub { -r '/tmp/probe' }],
    [PrivateDevices => sub { -r '/dev/probe' }],
    [PrivateUsers => sub { `cat /proc/self/uid_map` =~ /^\s*0\s+0\s+4294967295/ }],
    [ProtectProc => sub { -d '/proc/1' }],
    [NoNewPrivileges => sub { status_is('^NoNewPrivs:\s+0') }],
    [CapabilityBoundingSet => sub { status_is('^CapBnd:\s+0*[1-9a-f]') }],
    [SystemCallFilter => sub { in_child(sub { setpriority(0, 0, 19) }) }],
    [RestrictAddressFamilies => sub { socket(my $socket, $netlink, SOCK_RAW, 0) }],
    [RestrictNamespaces => sub { in_child(sub { call('unshare', $new_user_namespace) }) }],
    [RestrictSUIDSGID => sub { make('/tmp/own') && chmod(04755, '/tmp/own') }],
    [LockPersonality => sub { in_child(sub { call('personality', 8) }) }],
    [MemoryDenyWriteExecute =>
            sub { call('mmap', 0, 4096, $read_write_execute, $private_anonymous, -1, 0) }],
    [UMask => sub { umask != 0077 }],
);

sub report {
    my ($what, $ok) = @_;
    print $what, $ok ? " ok\n" : ' denied ' . ($! ? "$!" : 'it is not so') . "\n";
}

for my $act (@acts) {
    $! = 0;
    report($act->[0], $act->[1]->());
}
for my $family (["AF_INET", AF_INET], ["AF_INET6", AF_INET6], ["AF_UNIX", AF_UNIX]) {
    report("needs:$family->[0]", socket(my $socket, $family->[1], SOCK_STREAM, 0));
}
for my $path (@ARGV) {
    my $file;
    report("reads:$path", open($file, '<', $path) && defined sysread($file, my $bytes, 4096));
}
