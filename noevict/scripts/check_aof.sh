# Behind as_user.sh: whether a start would load the append-only files, by the server's own program for that. user, check:
# that program, manifest, seconds. A running server writes on: what it has written by half is whole a moment later.
set -euo pipefail
export LC_ALL=C
for ((i = 0; i < 3; i++)); do
  if found=$(as_user "$seconds" "$check" "$manifest"); then exit 0; fi
done
echo "${found##*$'\n'}"
exit 1
