# Put back the last configuration that worked, or the one that was there when a server did not run. conf, acl, previous;
# appendonly: yes or no, by where the data is now, whatever the old configuration had; "" to leave it as it was. Prints
# "none" if there is none.
set -euo pipefail
[[ -e $previous/good/conf ]] || { echo none; exit 0; }
back() {
  [[ -e $1 ]] || return 0
  local temp
  temp=$(mktemp /etc/.noevict.XXXXXXXX)
  cp -a --remove-destination "$1" "$temp"
  if [[ $2 == "$conf" && $appendonly ]]; then
    set_appendonly "$temp"
  fi
  sync "$temp"
  mv -fT "$temp" "$2"
}
set_appendonly() {
  sed -i -E "s/^[[:space:]]*appendonly[[:space:]].*/appendonly $appendonly/I" "$1"
  grep -q "^appendonly $appendonly\$" "$1" || printf '\nappendonly %s\n' "$appendonly" >>"$1"
}
back "$previous/good/conf" "$conf"
back "$previous/good/acl" "$acl"
sync "${conf%/*}"
