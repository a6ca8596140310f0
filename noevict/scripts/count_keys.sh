# Goes after as_user.sh: count the keys that do not expire in RDB files, or in directories of append-only files. user,
# paths: one a line. Prints "keys N" or "keys unknown" for each, in order, and no text from these files.
# An RDB has the number of its first database's keys at its beginning, after data about its server and its functions.
# If that database has none, and another one may follow, the number is unknown. Keys that expire are not counted: they
# may be gone by now.
read -r -d '' program <<'PERL' || true
use strict;
use Fcntl;

sub opened {
    sysopen(my $file, $_[0], O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or die;
    -f $file or die;
    binmode $file;
    return $file;
}
sub bytes {
    my ($file, $count) = @_;
    read($file, my $bytes, $count) == $count or die;
    return $bytes;
}
sub number {    # how RDB writes a length; negative: a kind of string
    my ($file) = @_;
    my $first = ord bytes($file, 1);
    return $first if $first < 0x40;
    return ($first & 0x3f) << 8 | ord bytes($file, 1) if $first < 0x80;
    return unpack 'N', bytes($file, 4) if $first == 0x80;
    return unpack 'Q>', bytes($file, 8) if $first == 0x81;
    return $first >= 0xc0 ? -1 - ($first & 0x3f) : die;
}
sub skip {      # a string
    my ($file) = @_;
    my $size = number($file);
    if ($size == -4) { $size = number($file); number($file) }    # compressed
    elsif ($size < 0) { $size = { -1, 1, -2, 2, -3, 4 }->{$size} // die }
    seek $file, $size, 1;
}
sub goes_on {   # whether another database may follow: what begins one may also be in a value
    my ($file) = @_;
    my $rest = do { local $/ = \(16 << 20); readline($file) // '' };
    return !eof($file) || $rest =~ /\xfe(?:[\x00-\x3f]|[\x40-\x7f].|\x80.{4})\xfb/s;
}
sub in_rdb {
    my $file = opened(@_);
    bytes($file, 9) =~ /^(REDIS|VALKEY)\d+$/ or die;
    while (1) {
        my $what = ord bytes($file, 1);
        if ($what == 0xfa) { skip($file); skip($file) }
        elsif ($what == 0xf5) { skip($file) }
        elsif ($what == 0xfe) { number($file) }
        elsif ($what == 0xf4) { number($file) for 1 .. 3 }
        elsif ($what == 0xfb) {
            my $keys = number($file);
            $keys -= number($file);
            die if !$keys && goes_on($file);
            return $keys;
        }
        elsif ($what == 0xff) { return 0 }
        else { die }
    }
}
sub in_directory {
    my ($path) = @_;
    my ($keys, $names) = (0, opened("$path/appendonly.aof.manifest"));
    while (<$names>) {
        my ($name, $type) = m{^file ([^/\s]+) seq \d+ type (\w)} or next;
        next if $type eq 'h' || !-s "$path/$name";
        die if $type ne 'b';    # commands: what they leave is not to be seen
        $keys += in_rdb("$path/$name");
    }
    return $keys;
}
for my $path (@ARGV) {
    my $keys = eval { -d $path ? in_directory($path) : in_rdb($path) };
    print 'keys ', $keys // 'unknown', "\n";
}
PERL
mapfile -t paths <<<"$paths"
as_user 30 perl -e "$program" -- "${paths[@]}"
