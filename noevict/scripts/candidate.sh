# Behind as_user.sh: start a server of its own with a configuration that is to be used, as the service's user, and see
# whether it answers. binary, cli, user; conf, acl: base64. It listens on a socket only and touches no data.
# Certificates are read.
set -euo pipefail
export LC_ALL=C
umask 077
# Root's, with one directory in it that is not: nothing of root's is opened in that.
there=$(mktemp -d /run/noevict.candidate.XXXXXXXX)
work=$there/work pid=
finish() {
  # Not waited for: a process of that user's that is traced by another does not end.
  # It has nothing to save, and its user could stop what is only asked to end.
  [[ -z $pid ]] || { disown "$pid" 2>/dev/null || true; kill -KILL "$pid" 2>/dev/null || true; }
  rm -rf "$there"
}
trap finish EXIT
base64 -d >"$there/conf" <<<"$conf"
base64 -d >"$there/acl" <<<"$acl"
chgrp "$user" "$there/conf" "$there/acl"
chmod 640 "$there/conf" "$there/acl"
mkdir "$work"
chown "$user:$user" "$work"
chmod 711 "$there"
setsid --wait setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs -- \
  env --chdir="$work" "$binary" "$there/conf" \
  --port 0 --tls-port 0 --tls-replication yes --unixsocket "$work/s" --unixsocketperm 700 --dir "$work" \
  --aclfile "$there/acl" --logfile "" --pidfile "$work/pid" --daemonize no --supervised no --save "" \
  --appendonly no >"$there/said" 2>&1 </dev/null &
pid=$!
# Not as long as its user may stop it, or whoever asks it.
for ((i = 0, until = SECONDS + 30; i < 200 && SECONDS < until; i++)); do
  answer=$(as_user 5 "$cli" -s "$work/s" ping || true)
  case $answer in *PONG*|*NOAUTH*) exit 0 ;; esac
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.05
done
head -c 100000 "$there/said" | grep -v -e 'oO0OoO0OoO0Oo' -e 'Configuration loaded' -e 'version=' | tail -n 5
exit 1
