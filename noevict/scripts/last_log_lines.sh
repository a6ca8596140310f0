# Goes after descriptors.sh: print the last log lines of a server that did not start, its own fatal line first, at most
# four. No line that may hold a password is printed. unit, logfile.
export LC_ALL=C
systemd=no; [[ -d /run/systemd/system ]] && systemd=yes

journal() { journalctl -n 15 -o cat --no-pager "$@" 2>/dev/null; }
reasons() { # the lines that say why it failed, each once
  sed 's/[^[:print:]]/?/g' |
    grep -iE 'fatal|error|fail|bad|wrong|can.t|cannot|denied|killed|timed out|\*\*\*|>>>|#' |
    grep -viE 'requirepass|masterauth|primaryauth|key-file-pass|>>> .?user' |
    grep -vE 'WARNING|Failed with result|Failed to start|oO0OoO0OoO0Oo|# (Redis|Valkey) version=|# Configuration loaded' |
    grep -vE '# Server initialized|# User requested shutdown|ready to exit, bye' |
    awk '!seen[$0]++'
}
# What the process of the last start printed: if its configuration is wrong, it has not opened its log yet.
printed() {
  local id
  [[ $systemd == yes ]] && id=$(systemctl show -p InvocationID --value -- "$unit") && [[ $id ]] &&
    journal "_SYSTEMD_INVOCATION_ID=$id" | reasons
}
logged() { # since the last start, if that is among the last lines
  [[ $logfile ]] && descriptors tail "$logfile" |
    awk '/oO0OoO0OoO0Oo/ { n = 0 } { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }' | reasons
}
of_systemd() { [[ $systemd == yes ]] && journal -u "$unit" | reasons; }

mapfile -t lines < <(printed)
if [[ "${lines[*],,}" != *fatal* ]]; then
  # Leave out that the server exited and how often systemd tried: that is known.
  mapfile -t -O "${#lines[@]}" lines < <(logged)
  mapfile -t -O "${#lines[@]}" lines < <(of_systemd | grep -vE 'exited, code=exited, status=1/FAILURE' | tail -n 2)
  ((${#lines[@]})) || mapfile -t lines < <(of_systemd)
fi
fatal=''
for line in "${lines[@]}"; do
  [[ ${line,,} != *fatal* ]] || fatal=$line
done
[[ ! $fatal ]] || printf '%s\n' "$fatal"
((${#lines[@]} == 0)) || printf '%s\n' "${lines[@]}" | grep -vxF -- "${fatal:-no line}" | awk '!seen[$0]++' | tail -n "$((${#fatal} ? 3 : 4))"
exit 0
