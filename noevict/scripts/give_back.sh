# After a take-over that failed: remove what it wrote, as remember.sh recorded it. The server's own configuration is back
# already (rollback.sh). previous, etc, dropin.
set -euo pipefail
export LC_ALL=C
[[ -e $previous/takeover ]] || exit 0
while read -r word first rest; do
  case $word in
    absent)
      [[ $first != "$previous" ]] || continue
      # Of a link of root's, its target beside it is removed too; of any other link only the name.
      to=''
      [[ ! -L $first || $(stat -c %u "$first") != 0 ]] || to=$(readlink "$first")
      rm -rf -- "$first"
      [[ $to != tls-* || $to == */* ]] || rm -rf -- "${first%/*}/${to:?}"
      ;;
    directory) chown -h "$first" "${rest#* }" && chmod "00${rest%% *}" "${rest#* }" ;;
    diversion) ! dpkg-divert --listpackage "$first" | grep -q LOCAL || dpkg-divert --local --no-rename --quiet --remove "$first" ;;
    override) ! dpkg-statoverride --list "$first" >/dev/null || dpkg-statoverride --quiet --remove "$first" ;;
    kernel) echo "$rest" >"/proc/sys/${first//.//}" || true ;;
  esac
done <"$previous/takeover"
rmdir "${dropin%/*}" 2>/dev/null || true
sync "$etc"
[[ ! -d /run/systemd/system ]] || systemctl daemon-reload
# This comes last: while it exists, the next run knows that this script did not finish.
if grep -qxF "absent $previous" "$previous/takeover"; then
  rm -rf -- "$previous"
else
  rm -rf -- "$previous/good" "$previous/takeover"
fi
