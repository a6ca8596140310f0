# Put the key that exporter_request.sh made in place, beside the certificate that was just written. A run that is killed
# between the two leaves a pair that does not match, and the next run replaces it. etc.
set -euo pipefail
sync "$etc/.client.key.new"
mv -fT "$etc/.client.key.new" "$etc/client.key"
sync "$etc"
