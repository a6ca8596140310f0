# Put a certificate, its CA and, where there is a new one, its key in place. user, tls; certificate, ca, key: base64,
# key empty where the host made it.
set -euo pipefail
umask 077
put() {
  local temp
  temp=$(mktemp "$tls/.noevict.XXXXXXXX")
  base64 -d >"$temp" <<<"$1"
  chown "root:$user" "$temp"
  chmod "$2" "$temp"
  sync "$temp"
  mv -fT "$temp" "$3"
}
[[ -z $key ]] || put "$key" 640 "$tls/.server.key.new"
if [[ -e $tls/.server.key.new ]]; then
  chown "root:$user" "$tls/.server.key.new"
  chmod 640 "$tls/.server.key.new"
  sync "$tls/.server.key.new"
  mv -fT "$tls/.server.key.new" "$tls/server.key"
fi
put "$certificate" 644 "$tls/server.crt"
put "$ca" 644 "$tls/ca.crt"
chown "root:$user" "$tls/server.key"
chmod 640 "$tls/server.key"
sync "$tls"
