# The key that exporter_request.sh made, in place, beside the certificate that was just placed. A run that is killed
# between the two leaves a pair that does not match, which the next run replaces. etc.
set -euo pipefail
sync "$etc/.client.key.new"
mv -fT "$etc/.client.key.new" "$etc/client.key"
sync "$etc"
