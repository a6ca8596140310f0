# The last words of a server that did not come up. unit, logfile.
{
  [[ ! -r $logfile ]] || tail -n 15 "$logfile"
  [[ ! -d /run/systemd/system ]] || journalctl -u "$unit" -n 15 -o cat --no-pager 2>/dev/null
} | grep -iE 'fatal|error|fail|bad|wrong|can.t|cannot|denied|\*\*\*|>>>|#' | grep -viE 'requirepass|masterauth|key-file-pass|WARNING' | tail -n 4
exit 0
