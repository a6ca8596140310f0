# Start a server of its own with a configuration that is to be used, as the service's user, and see whether it answers.
# binary, cli, user; conf, acl: base64. It listens on a socket alone and touches no data. Certificates are read.
set -euo pipefail
export LC_ALL=C
umask 077
there=$(mktemp -d /run/noevict.candidate.XXXXXXXX)
pid=
finish() {
  [[ -z $pid ]] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
  rm -rf "$there"
}
trap finish EXIT
base64 -d >"$there/conf" <<<"$conf"
base64 -d >"$there/acl" <<<"$acl"
chown -R "$user:$user" "$there"
cd "$there"
setpriv --reuid="$user" --regid="$user" --init-groups "$binary" "$there/conf" \
  --port 0 --tls-port 0 --tls-replication yes --unixsocket "$there/s" --unixsocketperm 700 --dir "$there" \
  --aclfile "$there/acl" --logfile "" --pidfile "$there/pid" --daemonize no --supervised no --save "" \
  --appendonly no >"$there/said" 2>&1 </dev/null &
pid=$!
for ((i = 0; i < 200; i++)); do
  answer=$("$cli" -s "$there/s" ping 2>/dev/null || true)
  case $answer in *PONG*|*NOAUTH*) exit 0 ;; esac
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.05
done
grep -v -e 'oO0OoO0OoO0Oo' -e 'Configuration loaded' -e 'version=' "$there/said" | tail -n 5
exit 1
