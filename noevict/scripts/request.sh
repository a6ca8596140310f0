# Goes after user.sh: make a directory for a new certificate, and print its path. If makes_key is yes, make a new key in
# it, and print a signing request. The key never leaves the host. user, etc, makes_key.
set -euo pipefail
export LC_ALL=C
umask 077
# The directory is root's and sticky: the server's user writes its own files here, but cannot move or replace root's.
[[ -d $etc && ! -L $etc ]] || mkdir "$etc"
chown "root:$user" "$etc"
chmod 03770 "$etc"
new=$(mktemp -d "$etc/tls-XXXXXXXXXX")
: >"$new/.noevict"
chgrp "$user" "$new"
chmod 00750 "$new"
echo "$new"
if [[ $makes_key == yes ]]; then
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$new/server.key" 2>/dev/null
  openssl req -new -key "$new/server.key" -subj /CN=noevict
fi
