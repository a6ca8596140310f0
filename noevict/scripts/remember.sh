# Before the first change of a take-over, record how the host is, for give_back.sh. previous, etc, conf; paths: those that
# noevict writes, a line each; kernel: lines "name value"; aof: yes if the server's own redis.conf has it on.
set -euo pipefail
export LC_ALL=C
umask 077
there=yes
[[ -e $previous ]] || there=no
mkdir -p "$previous"
# An earlier take-over was killed: its record says how the host was before.
[[ ! -e $previous/takeover ]] || exit 0
temp=$(mktemp "$previous/.takeover.XXXXXXXX")
trap 'rm -f "$temp"' EXIT
{
  while read -r path; do
    [[ -e $path || -L $path ]] || echo "absent $path"
  done <<<"$paths"
  [[ ! -d $etc ]] || stat -c 'directory %u:%g %a %n' "$etc"
  dpkg-divert --listpackage "$conf" | grep -q LOCAL || echo "diversion $conf"
  dpkg-statoverride --list "$etc" >/dev/null || echo "override $etc"
  while read -r name value; do
    [[ ! $name ]] || echo "kernel $name $value"
  done <<<"$kernel"
  echo "aof $aof"
  [[ $there == yes ]] || echo "absent $previous"
} >"$temp"
sync "$temp"
mv -T "$temp" "$previous/takeover"
sync "$previous"
