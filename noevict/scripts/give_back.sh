# A take-over that failed: what it placed goes, as remember.sh has it. The server's own configuration is back (rollback.sh).
# previous, etc, dropin.
set -euo pipefail
export LC_ALL=C
[[ -e $previous/takeover ]] || exit 0
while read -r word first rest; do
  case $word in
    absent)
      [[ $first != "$previous" ]] || continue
      # A link of root's has what it leads to beside it; of any other the name goes, and not what it leads to.
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
# Last: by it the next run knows that this was not done.
if grep -qxF "absent $previous" "$previous/takeover"; then
  rm -rf -- "$previous"
else
  rm -rf -- "$previous/good" "$previous/takeover"
fi
