# Goes after as_user.sh, before test_config.sh and defaults.sh: run a throwaway server for a moment, as the service's user.
# It listens on a socket only and touches no data. binary, cli, user.
set -euo pipefail
export LC_ALL=C
umask 077
# The directory is root's, with one in it that is not: root opens nothing in that one.
there=$(mktemp -d /run/noevict.server.XXXXXXXX)
work=$there/work pid=
finish() {
  # Kill it: it has nothing to save, and its user could stop a process that is only asked to end. Do not wait for it: a
  # process of that user that another one traces does not end.
  [[ -z $pid ]] || { disown "$pid" 2>/dev/null || true; kill -KILL "$pid" 2>/dev/null || true; }
  rm -rf "$there"
}
trap finish EXIT
mkdir "$work"
chown "$user:$user" "$work"
chmod 711 "$there"
readable() { # name base64: write a file of root's that the server may read; print its path
  base64 -d >"$there/$1" <<<"$2"
  chgrp "$user" "$there/$1"
  chmod 640 "$there/$1"
  echo "$there/$1"
}
server_output() { head -c 100000 "$there/output"; }
ask() { as_user "$1" "$cli" -s "$work/s" "${@:2}"; } # seconds command...
start_throwaway() { # argument...: fails if it never answers; server_output prints why
  setsid --wait setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs -- \
    env --chdir="$work" "$binary" "$@" --port 0 --unixsocket "$work/s" --dir "$work" >"$there/output" 2>&1 </dev/null &
  pid=$!
  local i until=$((SECONDS + 30)) # its user could stop it, or what asks it, for ever
  for ((i = 0; i < 200 && SECONDS < until; i++)); do
    case $(ask 5 ping || true) in *PONG*|*NOAUTH*) return 0 ;; esac
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}
