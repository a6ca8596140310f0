# Behind user.sh: owners and modes of what is there, no link followed. wanted: lines "owner group mode path"; a mode of
# "-" is none: then the owner is of all below it.
set -euo pipefail
export LC_ALL=C
while read -r owner group mode path; do
  [[ -e $path && ! -L $path ]] || continue
  if [[ $mode == - ]]; then
    chown -hRP "$owner:$group" "$path"
  else
    chown -h "$owner:$group" "$path"
    chmod "00$mode" "$path"
  fi
done <<<"$wanted"
