# Goes after as_user.sh: check with the server's own program whether a start would load the append-only files. user,
# check: that program; manifest, seconds. A running server keeps writing: a half-written command is whole a moment later.
set -euo pipefail
export LC_ALL=C
for ((i = 0; i < 3; i++)); do
  if found=$(as_user "$seconds" "$check" "$manifest"); then exit 0; fi
done
echo "${found##*$'\n'}"
exit 1
