# Goes after as_user.sh, with the new server's user: give one engine's data to the other; neither server is running.
# source, target: their data directories; old, user: their users; kind: aof or rdb; stamp. The old server's files stay
# in its directory under other names, so that it cannot start with them by mistake.
set -euo pipefail
export LC_ALL=C
umask 077
# The files to hand over are renamed last: while the old server has them, this script can run again.
names=(appendonly.aof dump.rdb appendonlydir)
[[ $kind == aof ]] || names=(appendonly.aof appendonlydir dump.rdb)
put_aside() { # directory word suffix name...: its own user adds that suffix to each name
  local name
  cd "$1"
  for name in "${@:4}"; do
    [[ ! -e $name && ! -L $name ]] || { mv -T "$name" "$name.$3" && echo "$2 $1/$name.$3"; }
  done
  sync .
}
begin() { cd "$1" && mktemp -d .noevict.XXXXXXXX; }
finish() { # directory staging: move all of it into place
  cd "$1"
  for name in appendonlydir dump.rdb; do
    [[ ! -e $2/$name ]] || mv -T "$2/$name" "$name"
  done
  rm -rf "$2"
  sync .
}
as_user 60 bash -euo pipefail -c "$(declare -f put_aside); put_aside \"\$@\"" - "$target" kept "kept-$stamp" "${names[@]}"
staging=$(as_user 60 bash -euo pipefail -c "umask 027; $(declare -f begin); begin \"\$@\"" - "$target")
[[ $staging == .noevict.* && $staging != */* ]]
# Each of the two users may swap names in its own directory: directories and files are opened once, links are not followed,
# and each has to belong to its user. A base and an RDB are never changed: they are linked, belong to the new user, and the
# old user's group can read them. Files that are appended to are copied.
timeout -k 5 3600 perl - "$source" "$target/$staging" "$old" "$user" "$kind" <<'PERL'
use strict;
use Fcntl qw(:DEFAULT :mode);
use IO::Handle;
my ($source, $staging, $old, $new, $kind) = @ARGV;
my ($from, $to) = map { (getpwnam $_)[2] // die "no user $_\n" } $old, $new;
my ($shared, $own) = map { (getgrnam $_)[2] // die "no group $_\n" } $old, $new;
$^F = 1000;    # ln is given a descriptor

sub opened {
    my ($path, $flags, @owners) = @_;
    sysopen(my $handle, $path, $flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        or return $!{ENOENT} ? undef : die "$path: $!\n";
    my @stat = stat $handle;
    die "$path: should be a regular file\n" unless $flags & O_DIRECTORY || S_ISREG($stat[2]);
    die "$path: should belong to $owners[0]: chown it, then run again\n"
        unless grep { (getpwnam $_)[2] == $stat[4] } @owners;
    return $handle;
}
sub give {    # link or copy a file of the source to that name in the current directory
    my ($name, $file) = @_;
    my $linked = $name =~ /\.base\.|^dump\.rdb$/
        && system('sh', '-c', 'exec ln -LT "$0" "$1" 2>&-', '/proc/self/fd/' . fileno $file, "./$name") == 0;
    my ($target, $group) = $linked ? ($file, $shared) : (copied($name, $file), $own);
    chown $to, $group, $target or die "$name: $!\n";
    chmod 0640, $target or die "$name: $!\n";
    $target->sync or die "$name: $!\n";
    close $target or die "$name: $!\n" unless $linked;
}
sub copied {
    my ($name, $file) = @_;
    sysopen(my $target, $name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) or die "$name: $!\n";
    while (my $read = sysread $file, my $text, 1 << 20) {
        (syswrite($target, $text) // 0) == $read or die "$name: $!\n";
    }
    return $target;
}
sub enter { chdir $_[0] or die "$!\n" }

my $there = opened($staging, O_DIRECTORY, $new) or die "$staging is gone\n";
enter(opened($source, O_DIRECTORY, $old) // exit 0);
if ($kind eq 'aof' and my $directory = opened('appendonlydir', O_DIRECTORY, $old)) {
    opendir my $names, '/proc/self/fd/' . fileno $directory or die "$!\n";
    my %files;
    enter($directory);
    # Files that no start reads are left behind; a file belongs to the new user once it was linked.
    my $manifest = opened('appendonly.aof.manifest', 0, $old, $new) or die "appendonly.aof.manifest is missing\n";
    my %needed = ('appendonly.aof.manifest' => 1, map { /^file (\S+) seq \d+ type [bi]/ ? ($1 => 1) : () } <$manifest>);
    for my $name (grep { $needed{$_} } readdir $names) { $files{$name} = opened($name, 0, $old, $new) }
    $files{$_} or die "$_: is named in appendonly.aof.manifest, and missing\n" for keys %needed;
    enter($there);
    mkdir 'appendonlydir', 0700 or die "appendonlydir: $!\n";
    my $made = opened('appendonlydir', O_DIRECTORY, 'root');
    enter($made);
    give($_, $files{$_}) for grep { $files{$_} } sort keys %files;
    chown $to, $own, $made or die "$!\n";
    chmod 0750, $made or die "$!\n";
    $made->sync or die "$!\n";
}
elsif (my $file = opened('dump.rdb', 0, $old, $new)) {
    enter($there);
    give('dump.rdb', $file);
}
PERL
# Its files are on disk: what is left takes no time, and its user could make it take all that it is given.
as_user 120 bash -euo pipefail -c "$(declare -f finish); finish \"\$@\"" - "$target" "$staging"
# shellcheck disable=SC2034
user=$old # for as_user
as_user 60 bash -euo pipefail -c "$(declare -f put_aside); put_aside \"\$@\"" - "$source" moved "moved-$stamp" "${names[@]}"
