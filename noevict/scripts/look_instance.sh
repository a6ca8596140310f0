# The look at one server: a function. Its variables are the fields of noevict.engines.package_layout.Layout (package, unit,
# user, binary, etc, conf, acl, data, logfile, pidfile, dropin, modules, last_good, takeover, exporter_etc,
# exporter_credentials), and port, plaintext_port: 0 if there is none; sysctl: noevict's file there; other: the file by
# which noevict manages another engine's server, which replaces this one or is replaced.
# noevict/platforms/systemd/read.py parses what it prints, from "instance UNIT DATA" on. No password is printed.

# Listening sockets, of IPv4 and IPv6, with their inodes.
sockets() { exec grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6; }
listens() {
  local inode own
  own=$(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l ' 2>/dev/null)
  while read -r _ _ _ _ _ _ _ _ _ inode _; do [[ $own == *"socket:[$inode] "* ]] && return; done < <(sockets)
  return 1
}
memory_group() { # process -> the group that limits its memory; "" on a host without such groups
  local controllers path unified=
  group=
  while IFS=: read -r _ controllers path; do
    [[ ,$controllers, == *,memory,* ]] && group=$path && return
    [[ -z $controllers ]] && unified=$path
  done <"/proc/$1/cgroup"
  group=$unified
} 2>/dev/null
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
# A plaintext PING distinguishes a TLS port (no answer) from a plaintext one (+PONG, -NOAUTH, ...).
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

look_instance() {
  local active='' control='' slice='' all='' all_group='' pid='' written='' dropins='' start='' program='' own='' probed=' '
  local starts=() tls=$etc/tls
  say "instance $unit $data"
  while read -r from && read -r to && read -r by; do
    [[ $from == "$conf" ]] && say "diversion $to $by"
  done </var/lib/dpkg/diversions
  while read -r owner group mode path; do
    [[ $path == "$etc" ]] && say "override $owner $group $mode"
  done </var/lib/dpkg/statoverride

  # The server's user wrote this file, and may have put anything in its place.
  [[ $systemd == no ]] && written=$(exec timeout 5 dd if="$pidfile" iflag=nofollow,nonblock bs=32 count=1 status=none 2>/dev/null | tr -cd 0-9)
  if [[ $systemd == yes ]]; then
    unitfacts=$(systemctl show -p ActiveState,LoadState,UnitFileState,MainPID,NeedDaemonReload,DropInPaths,ControlGroup,Slice,MemoryMax,TimeoutStartUSec,LimitNOFILE,OOMScoreAdjust,RestartUSec,ExecStart,FragmentPath,Type,User,AmbientCapabilities,NoNewPrivileges,PrivateUsers -- "$unit" -.slice)
    while IFS='=' read -r key value; do
      # The group of the root slice: systemd keeps the units' groups below it.
      [[ $key ]] || { all=yes && continue; }
      [[ $all ]] && { [[ $key == ControlGroup ]] && all_group=${value%/}; continue; }
      [[ $key == ActiveState ]] && active=$value && continue
      # Arguments may hold a password: only whether they are the package's is printed.
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
  # Without systemd the init script's pid file says which is the service.
  for p in "${servers[@]}"; do [[ $written && $p == "$written" ]] && pid=$p; done
  # A server listens before it loads its data. If a starting server does not listen yet, it will in a moment, or it will
  # have ended: systemd restarts some servers again and again in vain.
  if [[ $pid && $active == activating ]]; then
    for ((i = 0; i < 50; i++)); do
      listens && break
      sleep 0.1
      [[ $(systemctl show "$unit" -p MainPID --value) == "$pid" ]] || { pid=; break; }
    done
  fi

  # Its sockets, and whether it has append-only files open.
  [[ $pid ]] && own=$(exec find "/proc/$pid/fd" -lname 'socket:*' -printf ' %l ' -o -lname '*.incr.aof' -printf ' aof ' 2>/dev/null)
  [[ $own == *" aof "* ]] && say "aof open"

  look_files


  # The server's own listening sockets, and who holds the port we want.
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
  # The unit's view of the file system is made at its start: a directory that was removed since is missing in it.
  if [[ $pid && $active == active ]]; then
    mapfile -t mounts <"/proc/$pid/mountinfo"
    [[ "${mounts[*]}" == *" $etc "* ]] || say "replaced $etc"
  fi 2>/dev/null
  # Without systemd, a run that ends after apt, and before it restarts the server, leaves the old program running.
  [[ ! $pid || $systemd == yes || /proc/$pid/exe -ef $binary ]] || say "old-program"
  # Files that are immutable or on a read-only file system: root can write all others.
  for file in /etc /etc/sysctl.d /etc/systemd/system "$etc" "$conf" "$acl" "$tls" \
    "$tls/ca.crt" "$tls/server.crt" "$tls/server.key" "${dropin%/*}" "$dropin" "$sysctl" "$data"; do
    [[ -e $file && (! -L $file || $file == "$tls") && ! -w $file ]] && say "unwritable $file"
  done

  [[ ! -d $data || -w $data ]] || [[ ,$(exec findmnt -n -o OPTIONS -T "$data"), != *,ro,* ]] || say "disk-read-only"

  look_for_other_servers
  # A unit in place of the package's, whether systemd has read it yet or not.
  for path in /etc/systemd/system/"$unit" /run/systemd/system/"$unit" /usr/local/lib/systemd/system/"$unit"; do
    [[ -f $path && ! $path -ef /usr/lib/systemd/system/$unit ]] && say "unit Shadow $path" && break
  done
  declare -A overriding=()
  for file in /etc/systemd/system/"$unit".d/*.conf /run/systemd/system/"$unit".d/*.conf /usr/local/lib/systemd/system/"$unit".d/*.conf $dropins; do
    [[ -f $file && $file != "$dropin" && ! ${overriding[$file]-} ]] || continue
    overriding[$file]=yes set=
    mapfile -t -n 1000 lines <"$file"
    for line in "${lines[@]}"; do
      [[ $line =~ ^[[:space:]]*([A-Z][A-Za-z]+)[[:space:]]*= ]] && set+="${set:+,}${BASH_REMATCH[1]}"
    done
    field "$file"
    [[ $set ]] && say "dropin ${set:0:1000} $text"
  done 2>/dev/null
  for file in "$modules"/*.so; do [[ -e $file ]] && field "${file##*/}" && say "module $text"; done

  # The server that this one will replace, if noevict manages it, or that will replace this one.
  if [[ -e $other ]]; then
    say "other"
    [[ -e $binary ]] || say "candidate $(apt-cache policy "$package" 2>/dev/null | sed -n 's/^  Candidate: \([0-9].*\)/\1/p')"
  fi
  own_group=$control
  if [[ -z $own_group && $systemd == yes ]]; then
    # A unit that does not run has no group yet. It will be in its slice; a-b.slice is below a.slice. The group of this
    # look is the SSH session's, which has other limits.
    own_group=$all_group slice=${slice:-system.slice}
    if [[ $slice != -.slice ]]; then
      slices=() parts=${slice%.slice}- prefix=
      while [[ $parts ]]; do
        prefix+=${prefix:+-}${parts%%-*} parts=${parts#*-}
        slices+=("$prefix.slice") own_group+=/$prefix.slice
      done
      # A slice without processes has no group either. That is rare: the system's slice always has one.
      if [[ $slice != system.slice ]]; then
        while read -r value; do [[ $value ]] && say "cgroup $value"; done < <(exec systemctl show "${slices[@]}" -p MemoryMax --value 2>/dev/null)
      fi
    fi
    own_group+=/$unit
  elif [[ -z $own_group ]]; then
    # The init script's server is in the group of whoever started it; init will start one that does not run.
    memory_group "${pid:-1}"
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
  # Digests of the passwords that its exporter has.
  for file in "$exporter_etc/passwords.json" "$exporter_credentials/passwords.json"; do
    [[ -e $file || -L $file ]] || continue
    # Nothing is printed for a missing file, and "?" for one that is not understood: then older passwords stay valid.
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
}
