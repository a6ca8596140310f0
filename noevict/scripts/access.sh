# Goes after user.sh and descriptors.sh: set owners and modes of existing files, and follow no link. wanted: lines
# "owner group mode path"; with mode "-" the mode stays, and the owner is set for everything below path too.
set -euo pipefail
export LC_ALL=C
while read -r owner group mode path; do
  [[ ! $path ]] || descriptors give "$owner" "$group" "$mode" "$path"
done <<<"$wanted"
