# Goes after as_user.sh: check whether the server could start again. Everything that a start reads and writes is tried as
# its user and, under systemd, with the unit's view of the file system, in a separate service: never in the running
# server's mount namespace, which that user may have made. user, unit, conf, acl, tls, data, logfile. Prints a line for
# each thing that does not work.
set -euo pipefail
export LC_ALL=C
tries() { # conf acl tls data logfile
  local path temp bad=0
  cannot() { echo "$1 cannot be $2 by user $(id -un)"; bad=1; }
  for path in "$1" "$2" "$3"/{ca.crt,server.crt,server.key}; do
    [[ -f $path && -r $path ]] || cannot "$path" read
  done
  if [[ ! -e $5 ]]; then
    [[ -d ${5%/*} && -w ${5%/*} && -x ${5%/*} ]] || cannot "$5" made
  else
    { [[ ! -p $5 ]] && : >>"$5"; } 2>/dev/null || cannot "$5" written
  fi
  if temp=$(mktemp "$4/.noevict.XXXXXXXX" 2>/dev/null); then
    head -c 4096 /dev/zero 2>/dev/null >"$temp" || cannot "$4" written
    rm -f "$temp"
  else
    cannot "$4" written
  fi
  for path in "$4"/dump.rdb "$4"/appendonlydir/*; do
    [[ ! -e $path && ! -L $path ]] || [[ -f $path && -r $path ]] || cannot "$path" read
    [[ $path != *.incr.aof || ! -f $path ]] || { : >>"$path"; } 2>/dev/null || cannot "$path" written
  done
  path=$4/appendonlydir
  [[ ! -e $path && ! -L $path ]] || [[ -d $path && -r $path && -w $path && -x $path ]] || cannot "$path" written
  return "$bad"
}
text="$(declare -f tries); tries \"\$@\""
arguments=("$conf" "$acl" "$tls" "$data" "$logfile")
if [[ ! -d /run/systemd/system ]]; then
  as_user 60 bash -c "$text" - "${arguments[@]}"
else
  properties=()
  while IFS= read -r line; do
    [[ ! ${line#*=} ]] || properties+=(-p "$line")
  done < <(systemctl show "$unit" \
    -p User,Group,SupplementaryGroups,ProtectSystem,ProtectHome,ReadWritePaths,ReadOnlyPaths,InaccessiblePaths,PrivateTmp)
  output=$(mktemp /run/noevict.output.XXXXXXXX)
  trap 'rm -f "$output"' EXIT
  code=0
  # The script goes to standard input: in an argument, systemd would expand variables.
  timeout -k 5 90 systemd-run --quiet --wait --pipe --collect -p RuntimeMaxSec=60 -p NoNewPrivileges=yes "${properties[@]}" -- \
    bash -s - "${arguments[@]}" >"$output" 2>&1 <<<"$text" || code=$?
  head -c 10000 "$output"
  exit "$code"
fi
