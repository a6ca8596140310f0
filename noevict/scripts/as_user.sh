# Goes before scripts that work in a directory of the server's user, who may swap any name there at any moment: what runs
# as that user can harm nobody else. user.
# It runs in a new session, so that no terminal of root's is in reach. Output goes to a file of root's and not through a
# pipe, which a process of that user could hold open for ever; root's timeout ends a process that the user has stopped.
as_user() { # seconds command...
  local output code=0
  output=$(mktemp /run/noevict.output.XXXXXXXX)
  setsid --wait timeout -k 5 "$1" setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs -- "${@:2}" \
    >"$output" 2>&1 </dev/null || code=$?
  head -c 100000 "$output"
  rm -f "$output"
  return "$code"
}
