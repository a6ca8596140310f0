# Behind descriptors.sh: the last words of a server that did not come up. unit, logfile. No line that may hold a password.
export LC_ALL=C
{
  [[ ! $logfile ]] || descriptors tail "$logfile"
  [[ ! -d /run/systemd/system ]] || journalctl -u "$unit" -n 15 -o cat --no-pager 2>/dev/null
} | sed 's/[^[:print:]]/?/g' |
  grep -iE 'fatal|error|fail|bad|wrong|can.t|cannot|denied|\*\*\*|>>>|#' |
  grep -viE 'requirepass|masterauth|primaryauth|key-file-pass|>>> .?user' |
  grep -vE 'WARNING|Failed with result|Failed to start' | tail -n 4
exit 0
