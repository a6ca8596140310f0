# Write files, each whole or not at all, and make directories; all are in directories of root's, or only the last name is
# replaced. etc: the directory that is synced. reload: no if systemd does not know the unit yet. wanted: lines
# "kind owner group mode path base64"; kind is d (directory) or f (file).
set -euo pipefail
export LC_ALL=C
umask 077
while read -r kind owner group mode path content; do
  case $kind in
    d)
      [[ -d $path && ! -L $path ]] || mkdir -p "$path"
      chown "$owner:$group" "$path"
      chmod "00$mode" "$path"
      ;;
    f)
      # The temporary file is not beside it: in /etc/redis the server's user could replace it by a link.
      temp=$(mktemp /etc/.noevict.XXXXXXXX)
      trap 'rm -f "$temp"' EXIT
      base64 -d >"$temp" <<<"$content"
      chown "$owner:$group" "$temp"
      chmod "$mode" "$temp"
      sync "$temp"
      mv -fT "$temp" "$path"
      ;;
  esac
done <<<"$wanted"
sync "$etc"
[[ $reload == no || ! -d /run/systemd/system ]] || systemctl daemon-reload
