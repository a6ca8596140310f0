# Goes after descriptors.sh: set appendonly in redis.conf, for the next start; every other byte stays. user, conf,
# value: yes or no; whole: in base64, a configuration to use if redis.conf is missing or cannot be copied, "" for none.
# This runs as root: the server's user cannot replace root's files there. The name is only replaced, and never followed.
set -euo pipefail
umask 077
scratch=$(mktemp -d /etc/.noevict.XXXXXXXX)
trap 'rm -rf "$scratch"' EXIT
why=$(descriptors copy "$conf" "$scratch/before" 2>&1) || rm -f "$scratch/before"
if [[ ! -e $scratch/before ]]; then
  [[ $whole ]] || { echo "${why:-$conf is missing}"; exit 1; }
  base64 -d <<<"$whole" >"$scratch/before"
fi
sed -E "s/^[[:space:]]*appendonly[[:space:]].*/appendonly $value/I" "$scratch/before" >"$scratch/after"
grep -q "^appendonly $value\$" "$scratch/after" || printf '\nappendonly %s\n' "$value" >>"$scratch/after"
chown "$user:$user" "$scratch/after"
chmod 640 "$scratch/after"
sync "$scratch/after"
mv -fT "$scratch/after" "$conf"
sync "${conf%/*}"
