# Goes before scripts that do something in a directory of the server's user, who may swap any name there at any moment:
# what that user does as itself can hurt nobody else. user.
# A session of its own: no terminal of root's is in reach. Output goes to a file of root's and not through a pipe, which
# a process of that user could hold open for ever; root's timeout ends what that user has stopped.
as_user() { # seconds command...
  local said code=0
  said=$(mktemp /run/noevict.said.XXXXXXXX)
  setsid --wait timeout -k 5 "$1" setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs -- "${@:2}" \
    >"$said" 2>&1 </dev/null || code=$?
  head -c 100000 "$said"
  rm -f "$said"
  return "$code"
}
