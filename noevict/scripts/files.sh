# Put files in place, each whole or not at all, and make directories; all stand in directories of root's, or the last name
# is replaced. etc: the directory that is synced. reload: no where systemd does not know the unit yet. wanted: lines
# "kind owner group mode path base64", kind being d (directory) or f (file).
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
      # Not beside it: in /etc/redis the server's user could put a link in its place.
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
