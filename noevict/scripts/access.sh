# Behind user.sh and descriptors.sh: owners and modes of what is there, no link followed. wanted: lines "owner group mode
# path"; a mode of "-" is none: then the owner is of all below it.
set -euo pipefail
export LC_ALL=C
while read -r owner group mode path; do
  [[ ! $path ]] || descriptors give "$owner" "$group" "$mode" "$path"
done <<<"$wanted"
