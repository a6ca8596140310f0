# Make a new key for the exporter and print a signing request for it: exporter_key.sh puts the key in place beside its
# certificate. The key never leaves the host, and a leaked key ends with its certificate. etc.
set -euo pipefail
export LC_ALL=C
umask 077
[[ -d $etc && ! -L $etc ]] || mkdir "$etc"
chown root:root "$etc"
chmod 00700 "$etc"
new=$etc/.client.key.new
rm -f "$new" # of a run that was killed
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$new" 2>/dev/null
openssl req -new -key "$new" -subj /CN=noevict
