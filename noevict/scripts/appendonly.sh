# Behind as_user.sh: what redis.conf says about AOF, for the next start; every other byte of it stays. user, conf, value:
# yes or no.
set -euo pipefail
appendonly() { # conf value
  [[ -f $1 && ! -L $1 ]] || { echo "$1 is no regular file"; return 1; }
  temp=$(mktemp "${1%/*}/.noevict.XXXXXXXX")
  trap 'rm -f "$temp"' EXIT
  sed -E "s/^[[:space:]]*appendonly[[:space:]].*/appendonly $2/I" "$1" >"$temp"
  chmod 640 "$temp"
  sync "$temp"
  mv -fT "$temp" "$1"
  sync "${1%/*}"
}
as_user 120 bash -euo pipefail -c "$(declare -f appendonly); appendonly \"\$@\"" - "$conf" "$value"
