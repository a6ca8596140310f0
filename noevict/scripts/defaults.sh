# Behind as_user.sh: a release's own defaults: CONFIG GET * of a fresh server on a socket of its own, name and value on a
# line each. binary, cli, user.
set -euo pipefail
export LC_ALL=C
umask 077
there=$(mktemp -d /run/noevict.defaults.XXXXXXXX)
work=$there/work pid=
finish() {
  # Not waited for: a process of that user's that is traced by another does not end.
  [[ -z $pid ]] || { disown "$pid" 2>/dev/null || true; kill -KILL "$pid" 2>/dev/null || true; }
  rm -rf "$there"
}
trap finish EXIT
mkdir "$work"
chown "$user:$user" "$work"
chmod 711 "$there"
setsid --wait setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs -- \
  env --chdir="$work" "$binary" --port 0 --unixsocket "$work/s" --dir "$work" >/dev/null 2>&1 </dev/null &
pid=$!
for ((i = 0, until = SECONDS + 30; i < 200 && SECONDS < until; i++)); do
  [[ $(as_user 5 "$cli" -s "$work/s" ping || true) != PONG ]] || break
  kill -0 "$pid"
  sleep 0.05
done
as_user 20 "$cli" -s "$work/s" config get '*'
