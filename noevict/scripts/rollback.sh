# Put back the last configuration that worked. conf, acl, previous. Prints "none" if there is none.
set -euo pipefail
[[ -e $previous/good/conf ]] || { echo none; exit 0; }
back() {
  [[ -e $1 ]] || return 0
  local temp
  temp=$(mktemp /etc/.noevict.XXXXXXXX)
  cp -a --remove-destination "$1" "$temp"
  mv -fT "$temp" "$2"
}
back "$previous/good/conf" "$conf"
back "$previous/good/acl" "$acl"
sync "${conf%/*}"
