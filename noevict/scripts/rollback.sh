# Put the last configuration that worked back. conf, acl, previous. Prints "none" where there is none.
set -euo pipefail
[[ -e $previous/good/conf ]] || { echo none; exit 0; }
for name in conf acl; do
  target=${!name}
  if [[ -e $previous/good/$name ]]; then
    cp -a "$previous/good/$name" "$target.noevict-back"
    mv -fT "$target.noevict-back" "$target"
  fi
done
sync "$conf"
