# The look at a machine: bash, read-only, as root. packages: names of Debian's packages; root_files: the directory with id
# and generation. After it come look_instance.sh and a call for each server (noevict/scripts/__init__.py).
# noevict/machine/read.py parses what it prints: lines "key value".
# It starts few processes: each costs the host milliseconds, on every host in every run.
export LC_ALL=C

say() { printf '%s\n' "$*"; }
number() { local v=; read -r v <"$2"; [[ $v ]] && say "$1 $v"; } 2>/dev/null # with or without a line end

say "time ${EPOCHSECONDS}"
say "uid $EUID"
( . /etc/os-release; say "os $ID ${VERSION_ID-} ${VERSION_CODENAME-}" )
number hostname /proc/sys/kernel/hostname
# This may ask a name server, which may not answer.
IFS= read -r -t 2 fqdn < <(exec hostname -f 2>/dev/null) && say "fqdn $fqdn"
systemd=no; [[ -d /run/systemd/system ]] && systemd=yes
say "systemd $systemd"

# A command of a killed run continues to its end: it runs although nobody holds the lock (lock.sh).
if [[ -e /run/noevict.work ]]; then
  mapfile -t holder </run/noevict.lock
  [[ ${holder[2]-} && -d /proc/${holder[2]} ]] || flock -n /run/noevict.work true || say "unfinished"
fi

# shellcheck disable=SC2086 # names
dpkg-query -W -f 'package ${Package} ${db:Status-Want} ${db:Status-Status} ${Version}\n' $packages 2>/dev/null

# Every server process in this host's network namespace, with its role by name; containers have their own namespace.
for comm in /proc/[0-9]*/comm; do
  read -r name <"$comm" || continue
  case $name in redis-server|valkey-server|redis-sentinel|valkey-sentinel|redis-check-rdb|valkey-check-rdb|redis-ser*|valkey-ser*) ;; *) continue ;; esac
  p=${comm#/proc/}; p=${p%/comm}
  [[ /proc/$p/ns/net -ef /proc/self/ns/net ]] || continue
  # Any user's process may have as many of any length.
  arguments=()
  for ((i = 0; i < 100; i++)); do
    IFS= read -r -d '' -n 4096 argument || [[ $argument ]] || break
    arguments+=("$argument")
  done <"/proc/$p/cmdline"
  # Its arguments may hold a password: only its role is printed.
  role=server; [[ $name == *sentinel* || "${arguments[*]}" == *"[sentinel]"* || "${arguments[*]}" == *--sentinel* ]] && role=sentinel
  say "process $p $name $role"
  [[ $role == sentinel ]] || servers+=("$p")
done 2>/dev/null

# What identifies this machine, whatever its name.
read -r boot </proc/sys/kernel/random/boot_id
mapfile -t namespaces < <(exec find /proc/self/ns/net /proc/self/ns/pid -printf '%l\n' 2>/dev/null)
say "machine $boot ${namespaces[*]}"

# Memory and kernel.
while read -r key value _; do case $key in MemTotal:) say "memtotal $value"; break ;; esac; done </proc/meminfo
number overcommit /proc/sys/vm/overcommit_memory
number somaxconn /proc/sys/net/core/somaxconn
[[ -w /proc/sys/vm/overcommit_memory ]] && say "sysctl overcommit"
[[ -w /proc/sys/net/core/somaxconn ]] && say "sysctl somaxconn"
# Files that a boot reads after ours; of files of one name, the one in /etc counts.
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
  # After a boot IPv6 addresses are tentative for a second or two; an address that another host has too stays so.
  for ((i = 0; i < 20; i++)); do
    global=() local=()
    while IFS= read -r line; do
      if [[ $line == *" scope global "* ]]; then global+=("$line"); else local+=("$line"); fi
    done < <(ip -o addr show 2>/dev/null)
    [[ " ${global[*]/*dadfailed*/} " == *" tentative "* ]] || break
    sleep 0.2
  done
  for line in "${global[@]}"; do
    read -r _ device _ address rest <<<"$line"
    say "address $device ${address%/*} $rest"
  done
  for line in "${local[@]}"; do
    read -r _ _ _ address _ <<<"$line"
    say "held ${address%/*}"
  done
else
  for address in $(hostname -I 2>/dev/null); do say "address - $address"; done
fi
# Whether a program may bind an address that is not there, and from which port on any user may.
number nonlocal4 /proc/sys/net/ipv4/ip_nonlocal_bind
number nonlocal6 /proc/sys/net/ipv6/ip_nonlocal_bind
number first-port /proc/sys/net/ipv4/ip_unprivileged_port_start
# Whether there is IPv6, and its loopback address: a host may be without either.
if [[ -e /proc/net/if_inet6 ]]; then
  say "ipv6 any"
  while read -r addr _; do [[ $addr == 00000000000000000000000000000001 ]] && say "ipv6 ::1"; done </proc/net/if_inet6
fi
# Root's files about the host's own passwords, in a directory that only root can read.
for name in id generation; do
  file=$root_files/$name line=
  [[ -e $file || -L $file ]] || continue
  [[ -f $file && ! -L $file ]] && read -r -n 80 line <"$file"
  line=${line//[^0-9a-f ]/?}
  say "$name ${line:-?}"
done
