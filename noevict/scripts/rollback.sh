# Put the last configuration that worked back. conf, acl, previous. Prints "none" where there is none.
set -euo pipefail
[[ -e $previous/good/conf ]] || { echo none; exit 0; }
back() {
  [[ -e $1 ]] || return 0
  cp -a "$1" "$2.noevict-back"
  mv -fT "$2.noevict-back" "$2"
}
back "$previous/good/conf" "$conf"
back "$previous/good/acl" "$acl"
sync "$conf"
