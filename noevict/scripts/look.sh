# The one look at a host: bash, read-only, as root. engine, port, plaintext_port: 0 where there is none.
# noevict/platforms/systemd/read.py reads what it prints: lines "key value", the text of a file with its key before each line. Few
# processes: each costs the host milliseconds, for every host in every run. No password is printed: sed blanks them.
export LC_ALL=C
package=$engine-server unit=$engine-server.service etc=/etc/$engine data=/var/lib/$engine

say() { printf '%s\n' "$*"; }
number() { local v=; read -r v <"$2"; [[ $v ]] && say "$1 $v"; } 2>/dev/null # with or without a line end

say "time ${EPOCHSECONDS}"
say "uid $EUID"
( . /etc/os-release; say "os $ID ${VERSION_ID-} ${VERSION_CODENAME-}" )
number hostname /proc/sys/kernel/hostname
# Its answer may be one of a name server, which may not answer.
IFS= read -r -t 2 fqdn < <(exec hostname -f 2>/dev/null) && say "fqdn $fqdn"
systemd=no; [[ -d /run/systemd/system ]] && systemd=yes
say "systemd $systemd"

# A command of a run that was killed goes on to its end: at work while nobody holds the lock (lock.sh).
if [[ -e /run/noevict.work ]]; then
  mapfile -t holder </run/noevict.lock
  [[ ${holder[2]-} && -d /proc/${holder[2]} ]] || flock -n /run/noevict.work true || say "unfinished"
fi

dpkg-query -W -f 'package ${Package} ${db:Status-Want} ${db:Status-Status} ${Version}\n' \
  "$package" "$engine-tools" openssl iproute2 redis-server valkey-server 2>/dev/null
while read -r from && read -r to && read -r by; do
  [[ $from == "$etc/$engine.conf" ]] && say "diversion $to $by"
done </var/lib/dpkg/diversions
while read -r owner group mode path; do
  [[ $path == "$etc" ]] && say "override $owner $group $mode"
done </var/lib/dpkg/statoverride

active='' control='' slice='' all='' all_group='' pid='' pidfile='' dropins=''
# The server's user wrote it, and may have put anything in its place.
[[ $systemd == no ]] && pidfile=$(exec timeout 5 dd if="/run/$engine/$package.pid" iflag=nofollow,nonblock bs=32 count=1 status=none 2>/dev/null | tr -cd 0-9)
if [[ $systemd == yes ]]; then
  unitfacts=$(systemctl show -p ActiveState,LoadState,UnitFileState,MainPID,NeedDaemonReload,DropInPaths,ControlGroup,Slice,MemoryMax,TimeoutStartUSec,LimitNOFILE,OOMScoreAdjust,RestartUSec,ExecStart,FragmentPath,Type,User -- "$unit" -.slice)
  while IFS='=' read -r key value; do
    # Of the slice of all: below which group systemd keeps those of units.
    [[ $key ]] || { all=yes && continue; }
    [[ $all ]] && { [[ $key == ControlGroup ]] && all_group=${value%/}; continue; }
    [[ $key == ActiveState ]] && active=$value && continue
    # Arguments may hold a password: whether they are the package's is all that is told.
    [[ $key == ExecStart ]] && starts+=("$value") && continue
    say "unit $key $value"
    case $key in
      MainPID) [[ $value != 0 ]] && pid=$value ;;
      ControlGroup) control=$value ;;
      Slice) slice=$value ;;
      DropInPaths) dropins=$value ;;
    esac
  done <<<"$unitfacts"
  shipped=/usr/lib/systemd/system/$unit
  if [[ ${starts[*]-} ]]; then
    start=others
    while IFS= read -r line; do
      [[ $line == ExecStart=* ]] && ((${#starts[@]} == 1)) && [[ ${starts[0]} == *" argv[]=${line#*=} ; "* ]] && start=shipped
    done 2>/dev/null <"$shipped"
    say "unit ExecStart $start"
    program=${starts[0]#*path=}
    [[ $start == shipped ]] || say "unit Program ${program%% ;*}"
  fi
else
  for level in /etc/rc[2345].d/S[0-9][0-9]"$package"; do [[ -e $level ]] && say "unit UnitFileState enabled" && break; done
fi
# Every server process on this host's own network and its role by name; containers have a network of their own.
for comm in /proc/[0-9]*/comm; do
  read -r name <"$comm" || continue
  case $name in redis-server|valkey-server|redis-sentinel|valkey-sentinel|redis-check-rdb|valkey-check-rdb|redis-ser*|valkey-ser*) ;; *) continue ;; esac
  p=${comm#/proc/}; p=${p%/comm}
  [[ /proc/$p/ns/net -ef /proc/self/ns/net ]] || continue
  mapfile -d '' -t arguments <"/proc/$p/cmdline"
  # Its arguments may hold a password: its role alone is told.
  role=server; [[ $name == *sentinel* || "${arguments[*]}" == *"[sentinel]"* || "${arguments[*]}" == *--sentinel* ]] && role=sentinel
  say "process $p $name $role"
  [[ $role == sentinel ]] || servers+=("$p")
  # Without systemd the init script's pid file says which is the service.
  [[ $systemd == no && $p == "$pidfile" ]] && pid=$p
done 2>/dev/null

# Listening sockets, of IPv4 and IPv6, with their inodes.
sockets() { exec grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6; }
listens() {
  local inode own
  own=$(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l ' 2>/dev/null)
  while read -r _ _ _ _ _ _ _ _ _ inode _; do [[ $own == *"socket:[$inode] "* ]] && return; done < <(sockets)
  return 1
}
# A server listens before it loads its data. One that is being started and does not listen will in a moment, or will
# have ended: systemd starts some again and again for nothing.
if [[ $pid && $active == activating ]]; then
  for ((i = 0; i < 50; i++)); do
    listens && break
    sleep 0.1
    [[ $(systemctl show "$unit" -p MainPID --value) == "$pid" ]] || { pid=; break; }
  done
fi

# In its first line what the server has open, its sockets and whether append-only files; then who this machine is.
tls=$etc/tls fds=/proc/${pid:-none}/fd
dropin=/etc/systemd/system/$unit.d/noevict.conf sysctl=/etc/sysctl.d/60-noevict.conf
mapfile -t found < <(exec find "$fds" /proc/self/ns/net /proc/self/ns/pid -path "$fds*" -lname 'socket:*' -printf ' %l ' \
  -o -path "$fds*" -lname '*.incr.aof' -printf ' aof ' -o -path "$fds*" -o -path '/proc/*' -printf '\n%l' 2>/dev/null)
own=${found[0]-}
[[ $own == *" aof "* ]] && say "aof open"
read -r boot </proc/sys/kernel/random/boot_id
say "machine $boot ${found[1]-} ${found[2]-}"

# Files: type, owner, group, mode, size, modification time, name; of some the content, or its digest. In the directories
# of the server's user every name may be a link, a FIFO or another file by the time it is opened: each is opened once,
# no link is followed, nothing is waited for, and what was opened is looked at. What is printed has no control
# characters, so that neither a name nor a line can be lines of this output.
timeout -k 5 30 perl - "$engine" "$etc" "$data" "$dropin" "$sysctl" "/var/log/$engine" "/var/log/$engine/$package.log" <<'PERL'
use strict;
use Fcntl qw(:DEFAULT :mode);
my ($engine, $etc, $data, $dropin, $sysctl, $logs, $logfile) = @ARGV;
my ($conf, $acl, $tls) = ("$etc/$engine.conf", "$etc/users.acl", "$etc/tls");
my (%digests, %users, %groups);
$| = 1;
$^F = 1000;    # sha256sum and openssl read what was opened here

sub say {
    my ($key, $value) = @_;
    $value =~ tr/\x20-\x7e\t/?/c;
    print "$key $value\n";
}
sub told {    # path, what lstat or stat says of it
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
# Where the server's user may make a second name of a file that is not theirs, only their own are read.
my $protected = content(opened('/proc/sys/fs/protected_hardlinks'), 2) > 0;
sub theirs {
    my $file = opened(@_) or return undef;
    return $protected || (stat $file)[4] == (getpwnam $engine)[2] ? $file : undef;
}
sub content {    # as much of it as somebody may have written
    my ($file, $most) = @_;
    $file or return '';
    my ($text, $more) = ('', '');
    while (length $text < $most && sysread $file, $more, $most - length $text) { $text .= $more }
    sysseek $file, 0, 0;
    return $text;
}
sub certificates {    # those only: a key may stand beside them
    my ($key, $file) = @_;
    my $inside;
    for (split /\n/, content($file, 100_000)) {
        $inside = 1 if /^-----BEGIN CERTIFICATE-----/;
        say($key, substr $_, 0, 4096) if $inside;
        $inside = 0 if /^-----END CERTIFICATE-----/;
    }
}

told($_, lstat $_)
    for $etc, $conf, $acl, $dropin =~ m{(.*)/}, $dropin, $sysctl, $data, $logs, $logfile,
    map { "/var/lib/noevict/$_" } qw(good takeover);
content(opened('/var/lib/noevict/takeover'), 65_536) =~ /^aof (yes|no)$/m && say('aof-before', $1);
for my $path ($conf, $acl, $dropin, $sysctl) {
    # The last two are root's, in directories of root's.
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

# Root's own: a directory, or a link of root's to one beside it, with the files of one certificate.
my ($inside, @link) = ($tls, lstat $tls);
if (@link && S_ISLNK($link[2])) {
    my $to = readlink $tls;
    $inside = $link[4] == 0 && $to =~ /^tls-[0-9A-Za-z]+$/ ? "$etc/$to" : undef;
    $inside ? say('tls', $to) : told($tls, @link);
}
if ($inside && sysopen my $directory, $inside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) {
    told($tls, stat $directory);
    chdir $directory or die;
    for my $name (qw(ca.crt server.crt server.key)) {
        told("$tls/$name", lstat $name);
        $digests{"$tls/$name"} = opened($name) unless $name eq 'server.key';
    }
    certificates('ca', $digests{"$tls/ca.crt"});
    certificates('certificate', $digests{"$tls/server.crt"});
    # Without an openssl that runs, as in the middle of an upgrade, nothing is said of the key.
    if (my $key = opened('server.key')) {
        my @command = ('openssl', 'pkey', '-in', '/dev/fd/' . fileno $key, '-passin', 'pass:', '-pubout');
        my $public = output(@command);
        $public =~ s/\n/ /g;
        say('key', $public) if $public || output('openssl', 'version');
    }
}
elsif ($inside && @link && !S_ISLNK($link[2])) { told($tls, @link) }

# Of the exporter beside it, in a directory of root's only: deploys/monitoring.py renews it, and every run sees when.
certificates('exporter', opened('/etc/prometheus-redis-exporter/client.crt'));

# In which version the data is that a start would load; append-only files have one where their base is an RDB.
sub rdb {
    my ($name, $path) = @_;
    my $magic = content(theirs($path), 9);
    say('rdb', "$name $magic") if $magic =~ /^(?:REDIS|VALKEY)[0-9]+$/;
}
rdb('dump.rdb', "$data/dump.rdb");
say('rdb-empty', 'dump.rdb') if empty(content(theirs("$data/dump.rdb"), 4096));
sub empty {    # an RDB whose end comes right after what it says of its server
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
told("$data/$_", lstat "$data/$_") for listed($data, qr/^(?:dump\.rdb|appendonly\.aof|appendonlydir.*)$/);
# Its own user may put another directory in its place: from here on this one is meant.
if (sysopen my $directory, "$data/appendonlydir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) {
    chdir $directory or die;
    told("$data/appendonlydir/$_", lstat $_) for listed('.', qr/./);
    for (split /\n/, content(theirs('appendonly.aof.manifest'), 65_536)) {
        my (undef, $name, undef, undef, undef, $kind) = split;
        next if $kind ne 'b' || $name =~ m{/};
        rdb('base', $name);
        last;    # there is one
    }
    chdir '/' or die;
}
sub listed {    # names of a directory that is no link
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

# The server's own listening sockets, and who holds the port we want. A plaintext PING to each of the server's own
# tells a TLS port (no answer) from a plaintext one (+PONG, -NOAUTH, ...).
read_address() { # hexadecimal -> addr
  local word
  if ((${#1} == 8)); then
    addr=$((16#${1:6:2})).$((16#${1:4:2})).$((16#${1:2:2})).$((16#${1:0:2}))
    return
  fi
  addr=
  for word in "${1:0:8}" "${1:8:8}" "${1:16:8}" "${1:24:8}"; do
    addr+=":${word:6:2}${word:4:2}:${word:2:2}${word:0:2}"
  done
  addr=${addr:1}
}
ping_plain() { # address port -> answer
  local target=$1 line rc
  case $target in 0.0.0.0) target=127.0.0.1 ;; 0000:0000:0000:0000:0000:0000:0000:0000) target=::1 ;; esac
  answer=closed
  { exec 3<>"/dev/tcp/$target/$2"; } || return
  printf 'PING\r\n' >&3
  IFS= read -r -t 2 line <&3
  rc=$?
  exec 3>&-
  line=${line//[^[:print:]]/}
  if [[ $line ]]; then answer="answer ${line:0:60}"; elif ((rc > 128)); then answer=silent; else answer=none; fi
} 2>/dev/null
probed=" "
while read -r _ local _ _ _ _ _ _ _ inode _; do
  listening=$((16#${local##*:}))
  if [[ $own == *" socket:[$inode] "* ]]; then
    read_address "${local%:*}"
    answer=same
    [[ $probed == *" $listening "* ]] || { ping_plain "$addr" "$listening"; probed+="$listening "; }
    say "listener own $addr $listening $answer"
  elif ((listening == port || listening == plaintext_port)); then
    read_address "${local%:*}"
    say "listener other $addr $listening -"
  fi
done < <(sockets)
say "pid ${pid:-0}"
# Whether there is IPv6, and its loopback address: a host may be without either.
if [[ -e /proc/net/if_inet6 ]]; then
  say "ipv6 any"
  while read -r addr _; do [[ $addr == 00000000000000000000000000000001 ]] && say "ipv6 ::1"; done </proc/net/if_inet6
fi
[[ $pid && $active == activating ]] && say "starting"
# The unit's own view of the file system is made at its start: a directory that was removed since is gone from it.
if [[ $pid && $active == active ]]; then
  mapfile -t mounts <"/proc/$pid/mountinfo"
  [[ "${mounts[*]}" == *" $etc "* ]] || say "replaced $etc"
fi 2>/dev/null
# Immutable, or of a file system that is read-only: root may write everything else.
for file in /etc /etc/sysctl.d /etc/systemd/system "$etc" "$etc/$engine.conf" "$etc/users.acl" "$tls" \
  "$tls/ca.crt" "$tls/server.crt" "$tls/server.key" "${dropin%/*}" "$dropin" "$sysctl" "$data"; do
  [[ -e $file && (! -L $file || $file == "$tls") && ! -w $file ]] && say "unwritable $file"
done

[[ ! -d $data || -w $data ]] || [[ ,$(exec findmnt -n -o OPTIONS -T "$data"), != *,ro,* ]] || say "disk-read-only"

# --- what is not noevict's: other servers of this host, and drop-ins of the unit (noevict/platforms/systemd/takeover.py) ---
# Unit files, drop-ins and init scripts are root's. Of a process only what the kernel says: its arguments are its own to
# write, and may hold a password. No text of it is more than one line or one field.
field() { # text -> text
  text=${1//[^[:print:]]/?}
  text=${text//|/?}
  text=${text:0:200}
}
# The unit by the control group, and whether that is the server's own: what it forked is its own too.
unit_of() { # pid -> group, owner
  local line part pieces
  group='' owner=''
  while IFS= read -r line; do
    case $line in 0::/?*|*:name=systemd:/?*) group=${line#*:*:} ;; esac
  done <"/proc/$1/cgroup"
  IFS=/ read -ra pieces <<<"$group"
  for part in "${pieces[@]}"; do
    [[ $part == *.service || $part == *.scope ]] || continue
    # A unit of a user's own service manager.
    [[ $owner == user@*.service && $part != *.scope ]] && owner="$part of $owner" || owner=$part
  done
} 2>/dev/null
# The program and the configuration in the text of a unit or an init script.
starts_server() { # text -> program, file
  local word
  program='' file=''
  while IFS= read -r word; do
    [[ $word =~ (^|/)(redis|valkey)(-stack)?-server$ ]] && program=$word
    [[ $program && $word == /*.conf && $word != *\$* ]] && file=$word && return
  done <<<"${1//[[:space:]\"\'=;]/$'\n'}"
  [[ $program ]]
}
other() { # how unit ports directory configuration name
  local each line="server $1"
  shift
  for each; do field "$each"; line+="|$text"; done
  say "$line"
}
for p in "${servers[@]}"; do
  [[ $p == "$pid" ]] && continue
  unit_of "$p"
  if [[ $systemd == yes ]]; then
    [[ "$group/" == *"/$unit/"* && $owner == "$unit" ]] && continue
  else
    # What the server forked, to save say.
    read -r stat <"/proc/$p/stat" && read -r _ parent _ <<<"${stat##*) }"
    [[ $pid && $parent == "$pid" ]] && continue
  fi
  mapfile -d '' -t links < <(exec find "/proc/$p/cwd" "/proc/$p/fd" -maxdepth 1 \( -path '*/cwd' -o -lname 'socket:*' \) -printf '%l\0')
  # One of noevict's own, for a moment: a test of a configuration.
  [[ ${links[0]-} == /run/noevict.* ]] && continue
  ports=''
  while read -r _ local _ _ _ _ _ _ _ inode _; do
    [[ " ${links[*]} " == *" socket:[$inode] "* && ",$ports," != *",$((16#${local##*:})),"* ]] && ports+="${ports:+,}$((16#${local##*:}))"
  done < <(sockets)
  read -r name <"/proc/$p/comm" || continue
  # A check of a file is no server.
  [[ $name == *-check-* && ! $ports ]] && continue
  file=''
  [[ $systemd == yes && $owner =~ ^[A-Za-z0-9@_][A-Za-z0-9@_.:-]*\.service$ ]] &&
    starts_server "$(systemctl show -p ExecStart --value -- "$owner")"
  other running "$owner" "$ports" "${links[0]-}" "$file" "$name"
done 2>/dev/null
enabled=' '
if [[ $systemd == yes ]]; then
  for link in /etc/systemd/system/*.{wants,requires,upholds}/*.service /run/systemd/system/*.{wants,requires}/*.service; do
    name=${link##*/}
    [[ -e $link && $name != "$unit" && $enabled != *" $name "* ]] || continue
    enabled+="$name "
    for path in "/etc/systemd/system/$name" "/run/systemd/system/$name"; do
      [[ $path -ef /dev/null ]] && continue 2
      [[ -e $path ]] && break
      path=$link
    done
    mapfile -t -n 1000 lines <"$path"
    for line in "${lines[@]}"; do
      [[ $line == *-server* && $line =~ ^[[:space:]]*ExecStart[[:space:]]*= ]] || continue
      instance=${name#*@}
      line=${line//%[iI]/${instance%.service}}
      starts_server "${line/=[-@:+!|]*\//=\/}" && other enabled "$name" '' '' "$file" "$program" && break
    done
  done
fi 2>/dev/null
for link in /etc/rc[2345].d/S[0-9][0-9]*; do
  name=${link##*/S[0-9][0-9]}
  [[ -e $link && $name != "$package" && $enabled != *" $name "* ]] || continue
  enabled+="$name "
  # A unit of that name counts instead.
  for path in /etc /run /usr/local/lib /usr/lib /lib; do
    [[ $systemd == yes && -e $path/systemd/system/$name.service ]] && continue 2
  done
  mapfile -t -n 1000 lines <"$link"
  text=
  for line in "${lines[@]}"; do [[ $line =~ ^[[:space:]]*# ]] || text+="$line"$'\n'; done
  [[ $systemd == no ]] || name+=.service
  [[ $text =~ (redis|valkey)(-stack)?-server ]] && starts_server "$text" && other enabled "$name" '' '' "$file" "$program"
done 2>/dev/null
# A unit in place of the package's, whether systemd has read it yet or not.
for path in /etc/systemd/system/"$unit" /run/systemd/system/"$unit" /usr/local/lib/systemd/system/"$unit"; do
  [[ -f $path && ! $path -ef /usr/lib/systemd/system/$unit ]] && say "unit Shadow $path" && break
done
declare -A overriding=()
for file in /etc/systemd/system/"$unit".d/*.conf /run/systemd/system/"$unit".d/*.conf /usr/local/lib/systemd/system/"$unit".d/*.conf $dropins; do
  [[ -f $file && $file != /etc/systemd/system/$unit.d/noevict.conf && ! ${overriding[$file]-} ]] || continue
  overriding[$file]=yes set=
  mapfile -t -n 1000 lines <"$file"
  for line in "${lines[@]}"; do
    [[ $line =~ ^[[:space:]]*([A-Z][A-Za-z]+)[[:space:]]*= ]] && set+="${set:+,}${BASH_REMATCH[1]}"
  done
  field "$file"
  [[ $set ]] && say "dropin ${set:0:1000} $text"
done 2>/dev/null
for file in /usr/lib/redis/modules/*.so; do [[ -e $file ]] && field "${file##*/}" && say "module $text"; done

# The other engine, where noevict manages it: it may be about to hand over.
other=valkey; [[ $engine == valkey ]] && other=redis
if [[ -e /etc/systemd/system/$other-server.service.d/noevict.conf ]]; then
  say "other $other"
  [[ -e /usr/bin/$engine-server ]] || say "candidate $(apt-cache policy "$package" 2>/dev/null | sed -n 's/^  Candidate: \([0-9].*\)/\1/p')"
fi

# Memory and kernel.
while read -r key value _; do case $key in MemTotal:) say "memtotal $value"; break ;; esac; done </proc/meminfo
group_of() { # process -> the group that limits its memory; of a host without such groups ""
  local controllers path unified=
  group=
  while IFS=: read -r _ controllers path; do
    [[ ,$controllers, == *,memory,* ]] && group=$path && return
    [[ -z $controllers ]] && unified=$path
  done <"/proc/$1/cgroup"
  group=$unified
} 2>/dev/null
own_group=$control
if [[ -z $own_group && $systemd == yes ]]; then
  # A unit that does not run has no group. It will be in its slice; a-b.slice is below a.slice. The group that this
  # look runs in is an SSH session's, with limits of its own.
  own_group=$all_group slice=${slice:-system.slice}
  if [[ $slice != -.slice ]]; then
    slices=() parts=${slice%.slice}- prefix=
    while [[ $parts ]]; do
      prefix+=${prefix:+-}${parts%%-*} parts=${parts#*-}
      slices+=("$prefix.slice") own_group+=/$prefix.slice
    done
    # One that nothing runs in has no group either. That is rare: the system's own always has.
    if [[ $slice != system.slice ]]; then
      while read -r value; do [[ $value ]] && say "cgroup $value"; done < <(exec systemctl show "${slices[@]}" -p MemoryMax --value 2>/dev/null)
    fi
  fi
  own_group+=/$unit
elif [[ -z $own_group ]]; then
  # The init script's server is in the group of whoever started it; one that does not run will be started by init.
  group_of "${pid:-1}"
  own_group=$group
fi
while :; do
  for limit in "/sys/fs/cgroup$own_group/memory.max" "/sys/fs/cgroup/unified$own_group/memory.max" \
    "/sys/fs/cgroup/memory$own_group/memory.limit_in_bytes"; do
    number cgroup "$limit"
  done
  [[ -z $own_group || $own_group == / ]] && break
  own_group=${own_group%/*}
done
number overcommit /proc/sys/vm/overcommit_memory
number somaxconn /proc/sys/net/core/somaxconn
[[ -w /proc/sys/vm/overcommit_memory ]] && say "sysctl overcommit"
[[ -w /proc/sys/net/core/somaxconn ]] && say "sysctl somaxconn"
# What is read after our file at a boot; of files of one name the one in /etc counts.
declare -A later
for file in /usr/lib/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /run/sysctl.d/*.conf /etc/sysctl.d/*.conf; do
  [[ -e $file && ${file##*/} > 60-noevict.conf ]] && later[${file##*/}]=$file
done
for file in "${later[@]}"; do
  [[ -f $file ]] || continue
  while read -r line || [[ $line ]]; do
    [[ $line =~ ^-?(vm|net)[./](overcommit_memory|core[./]somaxconn)[[:space:]]*=[[:space:]]*(-?[0-9]+)$ ]] || continue
    name=${BASH_REMATCH[2]%_memory}
    say "later ${name#core[./]} ${BASH_REMATCH[3]} $file"
  done <"$file"
done 2>/dev/null
if command -v ip >/dev/null; then
  # After a boot IPv6 addresses are tentative for a second or two; one that another host has too stays so.
  for ((i = 0; i < 20; i++)); do
    mapfile -t addresses < <(ip -o addr show scope global 2>/dev/null)
    [[ " ${addresses[*]/*dadfailed*/} " == *" tentative "* ]] || break
    sleep 0.2
  done
  for line in "${addresses[@]}"; do
    read -r _ device _ address rest <<<"$line"
    say "address $device ${address%/*} $rest"
  done
else
  for address in $(hostname -I 2>/dev/null); do say "address - $address"; done
fi
# What root knows of the host's own passwords, in a directory of root's only; and what its exporter has, by digest.
for name in id generation; do
  file=/var/lib/noevict/$name line=
  [[ -e $file || -L $file ]] || continue
  [[ -f $file && ! -L $file ]] && read -r -n 80 line <"$file"
  line=${line//[^0-9a-f ]/?}
  say "$name ${line:-?}"
done
for file in /etc/prometheus-redis-exporter/passwords.json /run/credentials/prometheus-redis-exporter.service/passwords.json; do
  [[ -e $file || -L $file ]] || continue
  # Nothing is said of a file that is not there, and "?" of what is not understood: older passwords stay for it.
  digest=''
  if [[ -f $file && ! -L $file ]]; then
    while read -r line || [[ $line ]]; do
      [[ $line == [{}] ]] && continue
      digest=''
      [[ $line =~ ^\"[^\"\\]*\":\ \"([^\"\\]*)\",?$ ]] || break
      read -r digest _ < <(printf '%s' "${BASH_REMATCH[1]}" | exec sha256sum) && say "exporter-password $digest"
    done <"$file"
  fi
  [[ $digest ]] || say "exporter-password ?"
done 2>/dev/null
# Of other runs: none may be half way through.
say "end-of-look"
