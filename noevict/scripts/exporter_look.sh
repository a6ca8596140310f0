# The look at a host's exporter: bash, read-only, as root. etc, dropin, unit, package, port. noevict/companions/exporter/found.py
# parses what it prints: lines "key value". No secret is printed: of files and command lines only digests, and of the
# process's environment only variables that begin with REDIS_, without passwords.
export LC_ALL=C
set -f
say() { printf '%s\n' "$*"; }
say_variable() { # key NAME=value
  case $2 in
    *PASSWORD=*|*://*@*) say "$1 ${2%%=*}=(hidden)" ;;
    *[![:print:]]*) ;;
    REDIS_*) say "$1 $2" ;;
  esac
}

dpkg-query -W -f 'package ${Package} ${db:Status-Want} ${db:Status-Status} ${Version}\n' "$package" 2>/dev/null
[[ -d /run/systemd/system ]] && read -r _ version _ < <(exec systemctl --version) && say "systemd $version"
pid=0
while IFS='=' read -r key value; do
  case $key in
    MainPID) pid=$value ;;
    # Words without spaces, as noevict writes them.
    Environment) for word in $value; do say_variable loaded "$word"; done ;;
    ExecStart)
      value=${value#*argv[]=}; say "starts $(sha256sum <<<"${value%% ;*}")" ;;
    EnvironmentFiles) say "unit $key ${value%% *}" ;;
    *) say "unit $key $value" ;;
  esac
done < <(exec systemctl show "$unit" 2>/dev/null \
  -p LoadState,UnitFileState,NeedDaemonReload,SubState,MainPID,Environment,ExecStart,EnvironmentFiles,DropInPaths)
say "pid $pid"
if ((pid)); then
  mapfile -d '' -t words <"/proc/$pid/environ"
  for word in "${words[@]}"; do say_variable environment "$word"; done
  mapfile -d '' -t words <"/proc/$pid/cmdline"
  say "started $(sha256sum <<<"${words[*]}")"
  for file in passwords.json ca.crt client.crt client.key; do
    [[ -f /run/credentials/$unit/$file ]] && say "handed $(sha256sum <"/run/credentials/$unit/$file") $file"
  done
fi 2>/dev/null

ours=("$etc" "${dropin%/*}" "$dropin" "$etc/passwords.json" "$etc/ca.crt" "$etc/client.crt" "$etc/client.key")
find "${ours[@]}" -printf 'file %y|%u|%g|%m|%s|%Ts|%p\n' -prune 2>/dev/null
while read -r line; do say "sha256 $line"; done < <(exec sha256sum "${ours[@]:2}" 2>/dev/null)
for file in /etc /etc/systemd/system "${ours[@]}"; do
  [[ -e $file && ! -L $file && ! -w $file ]] && say "unwritable $file"
done
while IFS= read -r line; do
  [[ $line == *[![:print:]]* ]] || say "certificate $line"
done 2>/dev/null < <(exec head -c 20000 "$etc/client.crt")
# Never asked for a passphrase: the answer would be read from this script.
if [[ -e $etc/client.key ]]; then
  mapfile -t key < <(exec openssl pkey -in "$etc/client.key" -passin pass: -pubout 2>/dev/null </dev/null)
  say "key" "${key[@]}"
fi
# Whether another process than the exporter has the port.
own=" $(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l ' 2>/dev/null)"
while read -r _ local _ _ _ _ _ _ _ inode _; do
  ((16#${local##*:} == port)) && [[ $own != *" socket:[$inode] "* ]] && say "busy" && break
done < <(exec grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6)
# Arguments that somebody set in the package's own file, which is no longer read.
[[ ! -e $dropin ]] && grep -qsE '^[[:space:]]*ARGS=.*[[:alnum:]]' "/etc/default/$package" && say "arguments"
say "end-of-look"
