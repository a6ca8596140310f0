# Goes after descriptors.sh: stop managing the server. It keeps its configuration and its data. etc, conf, dropin, tls,
# data.
set -euo pipefail
scratch=$(mktemp -d /etc/.noevict.XXXXXXXX)
trap 'rm -rf "$scratch"' EXIT
descriptors copy "$conf" "$scratch/before" 2>/dev/null || true
if [[ -e $scratch/before ]]; then
  cp -a "$scratch/before" "$scratch/after"
  sed '1,/^$/{/^#/d}' "$scratch/before" >"$scratch/after"
  mv -fT "$scratch/after" "$conf"
fi
if dpkg-divert --listpackage "$conf" | grep -q LOCAL; then
  dpkg-divert --local --no-rename --quiet --remove "$conf"
fi
if dpkg-statoverride --list "$etc" >/dev/null; then
  dpkg-statoverride --quiet --remove "$etc"
fi
# This comes last: by this file noevict knows that it managed the server.
rm -f "$dropin"
rmdir "${dropin%/*}" 2>/dev/null || true
[[ ! -d /run/systemd/system ]] || systemctl daemon-reload
for path in "$conf" "$conf.debian" "$conf.before-noevict" "$etc/users.acl" "$tls" "$data"; do
  [[ ! -e $path ]] || echo "$path"
done
