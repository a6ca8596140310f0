# Make what certificates need and print a signing request. The key never leaves the host.
# Behind user.sh. user, etc, tls, fresh: "yes" for a new key in place of one that does not match or cannot be read.
set -euo pipefail
export LC_ALL=C
umask 077
directory() {
  [[ -d $1 && ! -L $1 ]] || mkdir "$1"
  chown "$2" "$1"
  chmod "00$3" "$1"
}
directory "$etc" "$user:$user" 2770
directory "$tls" "root:$user" 750
key=$tls/server.key
if [[ $fresh == yes || ! -e $key ]] || ! openssl pkey -in "$key" -noout 2>/dev/null; then
  key=$tls/.server.key.new
  rm -f "$key"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$key" 2>/dev/null
fi
openssl req -new -key "$key" -subj /CN=noevict
