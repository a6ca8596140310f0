# Stop managing: the server, its configuration and its data stay as they are. etc, conf, dropin, tls, data.
set -euo pipefail
if [[ -e $conf ]]; then
  temp=$(mktemp /etc/.noevict.XXXXXXXX)
  trap 'rm -f "$temp"' EXIT
  sed '1,/^$/{/^#/d}' "$conf" >"$temp"
  chown --reference="$conf" "$temp"
  chmod --reference="$conf" "$temp"
  mv -fT "$temp" "$conf"
fi
if dpkg-divert --listpackage "$conf" | grep -q LOCAL; then
  dpkg-divert --local --no-rename --quiet --remove "$conf"
fi
# Last: by it noevict knows that it was here.
rm -f "$dropin"
rmdir "${dropin%/*}" 2>/dev/null || true
[[ ! -d /run/systemd/system ]] || systemctl daemon-reload
for path in "$conf" "$conf.debian" "$conf.before-noevict" "$etc/users.acl" "$tls" "$data"; do
  [[ ! -e $path ]] || echo "$path"
done
