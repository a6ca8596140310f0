# Stop managing: the server, its configuration and its data stay as they are. etc, conf, unit, dropin, sysctl, tls, data.
set -euo pipefail
rm -f "$dropin" "$sysctl"
rmdir "${dropin%/*}" 2>/dev/null || true
rm -rf /var/lib/noevict
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
[[ ! -d /run/systemd/system ]] || systemctl daemon-reload
for path in "$conf" "$conf.debian" "$conf.before-noevict" "$etc/users.acl" "$tls" "$data"; do
  [[ ! -e $path ]] || echo "$path"
done
