# Goes before scripts in which root reads or gives away what stands in a directory of the server's user, who may swap
# any name there at any moment for a link, a FIFO or another file: each name is opened once, no link is followed, nothing
# is waited for, and an opened file is checked before it is used. user.
#   descriptors copy FROM TO    copy a regular file, with owner and mode, to a name of root's; nothing if it is missing
#   descriptors tail PATH       print the end of a regular file; nothing if it is missing or of another kind
#   descriptors give OWNER GROUP MODE PATH    set owner and mode; with mode "-" only the owner, of all below it too
descriptors() { timeout -k 5 300 perl -e "$descriptors" "$user" "$@"; }
# shellcheck disable=SC2016
descriptors='
use strict;
use Fcntl qw(:DEFAULT :mode);
my ($user, $verb, @arguments) = @ARGV;
my $most = 4 << 20;
my %verbs = (copy => \&copy, tail => \&tail, give => \&give);
$verbs{$verb}->(@arguments);

sub opened {
    my ($path) = @_;
    my $file = handle($path);
    return $file if $file;
    exit 0 if $!{ENOENT};
    die $!{ELOOP} ? "$path: should be a regular file, is a symbolic link\n" : "$path: $!\n";
}
sub handle {
    my ($name) = @_;
    sysopen(my $file, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) or return undef;
    return $file;
}
# A file there may be a second name of a file that is not theirs, if the kernel lets them make one.
sub theirs {
    my ($path, @stat) = @_;
    my $uid = (getpwnam $user)[2];
    return if defined $uid && $stat[4] == $uid;
    open my $setting, "<", "/proc/sys/fs/protected_hardlinks" or die "fs.protected_hardlinks: $!\n";
    die "$path: belongs to another user, and fs.protected_hardlinks is 0: chown it, then run again\n" unless <$setting> > 0;
}
sub copy {
    my ($from, $to) = @_;
    my $in = opened($from);
    my @stat = stat $in;
    die "$from: should be a regular file\n" unless S_ISREG($stat[2]);
    theirs($from, @stat);
    sysopen(my $out, $to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) or die "$to: $!\n";
    my ($size, $text) = (0);
    while (my $read = sysread $in, $text, 65536) {
        die "$from: is larger than any configuration\n" if ($size += $read) > $most;
        syswrite($out, $text) == $read or die "$to: $!\n";
    }
    chown $stat[4], $stat[5], $out or die "$to: $!\n";
    chmod S_IMODE($stat[2]) & 0777, $out or die "$to: $!\n";
    close $out or die "$to: $!\n";
}
sub tail {
    my ($path) = @_;
    my $in = handle($path) or exit 0;
    my @stat = stat $in;
    exit 0 unless S_ISREG($stat[2]) && $stat[4] == (getpwnam $user)[2];
    sysseek $in, $stat[7] - 16384, 0 if $stat[7] > 16384;
    sysread $in, my $text, 16384;
    print join "\n", (split /\n/, $text)[-15 .. -1];
}
sub give {
    my ($owner, $group, $mode, $path) = @_;
    my ($uid, $gid) = ((getpwnam $owner)[2], (getgrnam $group)[2]);
    die "no user $owner or group $group\n" unless defined $uid && defined $gid;
    my $file = opened($path);
    give_one($file, $path, $uid, $gid, $mode);
}
sub give_one {
    my ($file, $path, $uid, $gid, $mode) = @_;
    my @stat = stat $file;
    die "$path: should be a regular file or a directory\n" unless S_ISREG($stat[2]) || S_ISDIR($stat[2]);
    theirs($path, @stat) if S_ISREG($stat[2]);
    chown $uid, $gid, $file or die "$path: $!\n";
    if ($mode ne "-") { chmod oct $mode, $file or die "$path: $!\n" }
    elsif (S_ISDIR($stat[2])) {
        opendir my $names, "/proc/self/fd/" . fileno $file or die "$path: $!\n";
        for my $name (grep { !/^\.\.?$/ } readdir $names) {
            chdir $file or die "$path: $!\n";
            # Links, sockets and the like stay as they are: a server opens none of them.
            my $inner = handle($name) or next;
            next unless S_ISREG((stat $inner)[2]) || S_ISDIR((stat $inner)[2]);
            give_one($inner, "$path/$name", $uid, $gid, "-");
        }
    }
}
'
