# The one look at a host: bash, read-only, as root. engine, port, plaintext_port: 0 where there is none.
# noevict/facts.py reads what it prints: lines "key value", the text of a file with its key before each line. Few
# processes: each costs the host milliseconds, for every host in every run. No password is printed: sed blanks them.
export LC_ALL=C
package=$engine-server unit=$engine-server.service etc=/etc/$engine data=/var/lib/$engine

say() { printf '%s\n' "$*"; }
# Certificates alone: a key may stand beside them. 1,500 lines are 100,000 bytes of them.
certificates() {
  local line lines inside=
  mapfile -t -n 1500 lines <"$2" || return
  for line in "${lines[@]}"; do
    [[ $line == -----BEGIN\ CERTIFICATE-----* ]] && inside=yes
    [[ $inside ]] && line=${line//[^[:print:]]/} && say "$1 ${line:0:4096}"
    [[ $line == -----END\ CERTIFICATE-----* ]] && inside=
  done
} 2>/dev/null
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

active='' control='' pid='' pidfile=''
[[ $systemd == no ]] && { read -r pidfile <"/run/$engine/$package.pid"; } 2>/dev/null
if [[ $systemd == yes ]]; then
  unitfacts=$(systemctl show "$unit" -p ActiveState,LoadState,UnitFileState,MainPID,NeedDaemonReload,DropInPaths,ControlGroup,MemoryMax,TimeoutStartUSec,LimitNOFILE,OOMScoreAdjust,RestartUSec,ExecStart)
  while IFS='=' read -r key value; do
    [[ $key == ActiveState ]] && active=$value && continue
    # Arguments may hold a password: whether they are the package's is all that is told.
    [[ $key == ExecStart ]] && starts+=("$value") && continue
    say "unit $key $value"
    case $key in MainPID) [[ $value != 0 ]] && pid=$value ;; ControlGroup) control=$value ;; esac
  done <<<"$unitfacts"
  shipped=/usr/lib/systemd/system/$unit
  if [[ -r $shipped && ${starts[*]-} ]]; then
    start=others
    while IFS= read -r line; do
      [[ $line == ExecStart=* ]] && ((${#starts[@]} == 1)) && [[ ${starts[0]} == *" argv[]=${line#*=} ; "* ]] && start=shipped
    done <"$shipped"
    say "unit ExecStart $start"
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

# Files: type, owner, group, mode, size, modification time, name. Contents by digest; text where it is needed.
tls=$etc/tls fds=/proc/${pid:-none}/fd
ours=("$etc" "$etc/$engine.conf" "$etc/users.acl" "$tls" "$tls/ca.crt" "$tls/server.crt" "$tls/server.key"
  "/etc/systemd/system/$unit.d" "/etc/systemd/system/$unit.d/noevict.conf" /etc/sysctl.d/60-noevict.conf "$data")
files=("${ours[@]}" "$data/dump.rdb" "$data/appendonlydir" "/var/log/$engine" "/var/log/$engine/$package.log" /var/lib/noevict/good)
# A name of the server's user, told as it is, could be lines of this output.
[[ -L $data/appendonlydir ]] || for file in "$data"/appendonlydir/*; do
  [[ $file == *[![:print:]]* ]] || files+=("$file")
done
# In its first line what the server has open, its sockets and append-only files; then who this machine is.
mapfile -t found < <(exec find "$fds" /proc/self/ns/net /proc/self/ns/pid "${files[@]}" \
  -path "$fds*" \( -lname 'socket:*' -o -lname '*.incr.aof' \) -printf ' %l ' -o -path "$fds*" -o \
  -path '/proc/*' -printf '\n%l' -o -printf '\nfile %y|%u|%g|%m|%s|%Ts|%p' -prune 2>/dev/null)
own=${found[0]-}
[[ $own == *.incr.aof* ]] && say "aof open"
read -r boot </proc/sys/kernel/random/boot_id
say "machine $boot ${found[1]-} ${found[2]-}"
printf '%s\n' "${found[@]:3}"

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
[[ $pid && $active == activating ]] && say "starting"
# The unit's own view of the file system is made at its start: a directory that was removed since is gone from it.
if [[ $pid && $active == active ]]; then
  mapfile -t mounts <"/proc/$pid/mountinfo"
  [[ "${mounts[*]}" == *" $etc "* ]] || say "replaced $etc"
fi 2>/dev/null
# Immutable, or of a file system that is read-only: root may write everything else.
for file in /etc /etc/sysctl.d /etc/systemd/system "${ours[@]}"; do
  [[ -e $file && ! -L $file && ! -w $file ]] && say "unwritable $file"
done
mapfile -t digests < <(exec sha256sum "$etc/$engine.conf" "$etc/users.acl" "/etc/systemd/system/$unit.d/noevict.conf" \
  /etc/sysctl.d/60-noevict.conf "$tls/ca.crt" "$tls/server.crt" 2>/dev/null)
for line in "${digests[@]}"; do say "sha256 $line"; done
# A line that was commented out may still hold a password.
blanked() {
  sed -E 's/\r$//
    s/[^[:print:]\t]/?/g
    s/^([[:space:]#]*["'\'']?(requirepass|masterauth|primaryauth|masteruser|primaryuser|tls-[a-z-]*key-file-pass|rename-command)["'\'']?[[:space:]]).*/\1(hidden)/I
    s/^([[:space:]#]*["'\'']?user["'\'']?[[:space:]]+[^[:space:]]+).*/\1 (hidden)/I
    s/^/conf /' "$etc/$engine.conf"
} 2>/dev/null
if [[ ${found[*]} =~ \|([0-9]{1,6})\|-?[0-9]+\|"$etc/$engine.conf" ]] && ((BASH_REMATCH[1] < 300000)); then
  blanked
else
  blanked | head -c 300000
fi
echo # ends a line that was cut
certificates ca "$tls/ca.crt"
certificates certificate "$tls/server.crt"
# Never asked for a passphrase: the answer would be read from this script.
# Without an openssl that runs, as in the middle of an upgrade, nothing is said of it.
if [[ -e $tls/server.key ]] && command -v openssl >/dev/null; then
  mapfile -t key < <(exec openssl pkey -in "$tls/server.key" -passin pass: -pubout 2>/dev/null </dev/null)
  if ((${#key[@]})) || openssl version >/dev/null 2>&1 </dev/null; then say "key" "${key[@]}"; fi
fi

# In which version the data is that a start would load; append-only files have one where their base is an RDB.
rdb() {
  local magic
  IFS= read -r -N 9 magic <"$2"
  [[ $magic =~ ^(REDIS|VALKEY)[0-9]+$ ]] && say "rdb $1 $magic"
} 2>/dev/null
rdb dump.rdb "$data/dump.rdb"
while read -r _ name _ _ _ kind; do
  [[ $kind == b && $name != */* ]] && rdb base "$data/appendonlydir/$name"
done 2>/dev/null <"$data/appendonlydir/appendonly.aof.manifest"

# The other engine, where noevict manages it: it may be about to hand over.
other=valkey; [[ $engine == valkey ]] && other=redis
if [[ -e /etc/systemd/system/$other-server.service.d/noevict.conf ]]; then
  say "other $other"
  [[ -e /usr/bin/$engine-server ]] || say "candidate $(apt-cache policy "$package" 2>/dev/null | sed -n 's/^  Candidate: \([0-9].*\)/\1/p')"
fi

# Memory and kernel.
while read -r key value _; do case $key in MemTotal:) say "memtotal $value"; break ;; esac; done </proc/meminfo
own_group=$control
[[ $own_group ]] || own_group=$(while IFS=: read -r _ controllers path; do
  [[ $controllers == *memory* ]] && say "$path" && break
  [[ -z $controllers ]] && unified=$path
done </proc/self/cgroup; [[ ${unified-} ]] && say "$unified")
own_group=${own_group%%$'\n'*}
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
    mapfile -t addresses < <(ip -o addr show scope global permanent 2>/dev/null)
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
# Of other runs: none may be half way through.
say "end-of-look"
