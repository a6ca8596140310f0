# The part of look_instance.sh that opens files: a function, called with the same variables.
#
# Files: type, owner, group, mode, size, modification time, name; of some the content, or its digest. In the directories
# of the server's user every name may be a link, a FIFO or another file by the time it is opened: each is opened once,
# no link is followed, nothing is waited for, and the opened file is checked. Control characters are not printed, so that
# no name and no line can add lines to this output.
look_files() {
  timeout -k 5 30 perl - "$user" "$etc" "$conf" "$acl" "$data" "$dropin" "$sysctl" "$logfile" "$last_good" "$takeover" "$exporter_etc" <<'PERL'
use strict;
use Fcntl qw(:DEFAULT :mode);
my ($user, $etc, $conf, $acl, $data, $dropin, $sysctl, $logfile, $last_good, $takeover, $exporter_etc) = @ARGV;
my ($tls, $logs) = ("$etc/tls", $logfile =~ m{(.*)/});
my (%digests, %users, %groups);
$| = 1;
$^F = 1000;    # sha256sum and openssl read what was opened here

sub say {
    my ($key, $value) = @_;
    $value =~ tr/\x20-\x7e\t/?/c;
    print "$key $value\n";
}
sub print_entry {    # path, its lstat or stat
    my ($path, @stat) = @_;
    return unless @stat;
    my $kind = { S_IFREG, 'f', S_IFDIR, 'd', S_IFLNK, 'l', S_IFIFO, 'p', S_IFSOCK, 's', S_IFBLK, 'b', S_IFCHR, 'c' }
        ->{ S_IFMT($stat[2]) };
    my $owner = $users{$stat[4]} //= getpwuid($stat[4]) // $stat[4];
    my $group = $groups{$stat[5]} //= getgrgid($stat[5]) // $stat[5];
    say('file', sprintf '%s|%s|%s|%o|%d|%d|%s', $kind, $owner, $group, S_IMODE($stat[2]), @stat[ 7, 9 ], $path);
}
sub opened {    # a regular file -> its handle
    my ($name) = @_;
    sysopen(my $file, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) or return undef;
    return S_ISREG((stat $file)[2]) ? $file : undef;
}
# If the kernel lets the server's user link to files of others, only that user's own files are read.
my $protected = content(opened('/proc/sys/fs/protected_hardlinks'), 2) > 0;
sub theirs {
    my $file = opened(@_) or return undef;
    return $protected || (stat $file)[4] == (getpwnam $user)[2] ? $file : undef;
}
sub content {    # of a file, up to a size that somebody may have written
    my ($file, $most) = @_;
    $file or return '';
    my ($text, $more) = ('', '');
    while (length $text < $most && sysread $file, $more, $most - length $text) { $text .= $more }
    sysseek $file, 0, 0;
    return $text;
}
sub certificates {    # only those: the file may have a key too
    my ($key, $file) = @_;
    my $inside;
    for (split /\n/, content($file, 100_000)) {
        $inside = 1 if /^-----BEGIN CERTIFICATE-----/;
        say($key, substr $_, 0, 4096) if $inside;
        $inside = 0 if /^-----END CERTIFICATE-----/;
    }
}

print_entry($_, lstat $_)
    for $etc, $conf, $acl, $dropin =~ m{(.*)/}, $dropin, $sysctl, $data, $logs, $logfile, $last_good, $takeover;
content(opened($takeover), 65_536) =~ /^aof (yes|no)$/m && say('aof-before', $1);
for my $path ($conf, $acl, $dropin, $sysctl) {
    # The last two belong to root, in directories of root's.
    $digests{$path} = $path eq $conf || $path eq $acl ? theirs($path) : opened($path);
}
my @lines = split /\n/, content($digests{$conf}, 300_000), -1;
pop @lines if @lines && $lines[-1] eq '';
for (@lines) {
    s/\r$//;
    # A line that was commented out may still hold a password.
    s/^([\s#]*["']?(?:requirepass|masterauth|primaryauth|masteruser|primaryuser|tls-[a-z-]*key-file-pass|rename-command)["']?\s).*/$1(hidden)/i;
    s/^([\s#]*["']?user["']?\s+\S+).*/$1 (hidden)/i;
    say('conf', $_);
}

# tls: a directory of root's, or a link of root's to one beside it, with the files of one certificate.
my ($inside, @link) = ($tls, lstat $tls);
if (@link && S_ISLNK($link[2])) {
    my $to = readlink $tls;
    $inside = $link[4] == 0 && $to =~ /^tls-[0-9A-Za-z]+$/ ? "$etc/$to" : undef;
    $inside ? say('tls', $to) : print_entry($tls, @link);
}
if ($inside && sysopen my $directory, $inside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) {
    print_entry($tls, stat $directory);
    chdir $directory or die;
    for my $name (qw(ca.crt server.crt server.key)) {
        print_entry("$tls/$name", lstat $name);
        $digests{"$tls/$name"} = opened($name) unless $name eq 'server.key';
    }
    certificates('ca', $digests{"$tls/ca.crt"});
    certificates('certificate', $digests{"$tls/server.crt"});
    # If openssl does not run, as in the middle of an upgrade, nothing is printed about the key.
    if (my $key = opened('server.key')) {
        my @command = ('openssl', 'pkey', '-in', '/dev/fd/' . fileno $key, '-passin', 'pass:', '-pubout');
        my $public = output(@command);
        $public =~ s/\n/ /g;
        say('key', $public) if $public || output('openssl', 'version');
    }
}
elsif ($inside && @link && !S_ISLNK($link[2])) { print_entry($tls, @link) }

# The exporter's certificate, in a directory of root's: deploys/monitoring.py renews it, and every run reads its end.
certificates('exporter', opened("$exporter_etc/client.crt"));

# The RDB version of the data that a start would load; append-only files have one if their base is an RDB.
sub rdb {
    my ($name, $path) = @_;
    my $magic = content(theirs($path), 9);
    say('rdb', "$name $magic") if $magic =~ /^(?:REDIS|VALKEY)[0-9]+$/;
}
rdb('dump.rdb', "$data/dump.rdb");
say('rdb-empty', 'dump.rdb') if empty(content(theirs("$data/dump.rdb"), 4096));
sub empty {    # an RDB that ends right after the data about its server
    my ($rdb) = @_;
    my $at = 9;
    while (substr($rdb, $at, 1) eq "\xfa") {
        $at++;
        for (1, 2) {
            my ($first, $second) = unpack 'CC', substr $rdb, $at, 2;
            return 0 unless defined $second;
            if    ($first < 64)   { $at += 1 + $first }
            elsif ($first < 128)  { $at += 2 + (($first & 63) << 8 | $second) }
            elsif ($first == 192) { $at += 2 }
            elsif ($first == 193) { $at += 3 }
            elsif ($first == 194) { $at += 5 }
            else                  { return 0 }
        }
    }
    return $at > 9 && substr($rdb, $at, 1) eq "\xff";
}
my $disk = output('stat', '-f', '-c', '%a %b %S', $data);    # root's name, in a directory of root's
say('disk', $1) if $disk =~ /^([0-9]+ [0-9]+ [0-9]+)$/;
print_entry("$data/$_", lstat "$data/$_") for listed($data, qr/^(?:dump\.rdb|appendonly\.aof|appendonlydir.*)$/);
# The server's user may put another directory in its place: from now on this one is used.
if (sysopen my $directory, "$data/appendonlydir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) {
    chdir $directory or die;
    print_entry("$data/appendonlydir/$_", lstat $_) for listed('.', qr/./);
    for (split /\n/, content(theirs('appendonly.aof.manifest'), 65_536)) {
        my (undef, $name, undef, undef, undef, $kind) = split;
        next if $kind ne 'b' || $name =~ m{/};
        rdb('base', $name);
        last;    # one is enough
    }
    chdir '/' or die;
}
sub listed {    # the names in a directory, unless it is a link
    my ($path, $wanted) = @_;
    sysopen(my $directory, $path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) or return;
    opendir(my $names, '/proc/self/fd/' . fileno $directory) or return;
    my @found = sort grep { /$wanted/ && !/^\.\.?$/ && !/[^\x20-\x7e]/ } readdir $names;
    return @found[ 0 .. ($#found < 999 ? $#found : 999) ];
}

# One as large as no configuration is would take longer to read than a look may: it is another one in any case.
my %by_name = map { $digests{$_} && -s $digests{$_} < 16 << 20 ? ('/dev/fd/' . fileno $digests{$_} => $_) : () } keys %digests;
for (split /\n/, %by_name ? output('sha256sum', sort keys %by_name) : '') {
    my ($digest, $name) = split;
    say('sha256', "$digest  $by_name{$name}");
}
sub output {
    open my $null, '<', '/dev/null';
    open STDIN, '<&', $null;
    open STDERR, '>', '/dev/null';
    open my $pipe, '-|', @_ or return '';
    local $/;
    return <$pipe> // '';
}
say('files', 'read');
PERL
}
