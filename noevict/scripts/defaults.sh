# A release's own defaults: CONFIG GET * of a fresh server on a socket of its own, name and value on a line each.
# binary, cli, user.
set -euo pipefail
export LC_ALL=C
umask 077
there=$(mktemp -d /run/noevict.defaults.XXXXXXXX)
pid=
finish() {
  [[ -z $pid ]] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
  rm -rf "$there"
}
trap finish EXIT
chown "$user:$user" "$there"
cd "$there"
setpriv --reuid="$user" --regid="$user" --init-groups \
  "$binary" --port 0 --unixsocket "$there/s" --dir "$there" >/dev/null 2>&1 </dev/null &
pid=$!
for ((i = 0; i < 200; i++)); do
  [[ $("$cli" -s "$there/s" ping 2>/dev/null || true) != PONG ]] || break
  kill -0 "$pid"
  sleep 0.05
done
"$cli" -s "$there/s" config get '*'
