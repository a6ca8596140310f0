# Make the exporter's key, where there is none that can be read, and print a signing request. It never leaves the host.
# etc.
set -euo pipefail
export LC_ALL=C
umask 077
[[ -d $etc && ! -L $etc ]] || mkdir "$etc"
chown root:root "$etc"
chmod 00700 "$etc"
key=$etc/client.key
if ! openssl pkey -in "$key" -passin pass: -noout 2>/dev/null </dev/null; then
  temp=$(mktemp "$etc/.noevict.XXXXXXXX")
  trap 'rm -f "$temp"' EXIT
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$temp" 2>/dev/null
  sync "$temp"
  mv -fT "$temp" "$key"
fi
openssl req -new -key "$key" -subj /CN=noevict
