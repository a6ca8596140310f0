# Do one thing to the service and tell its state: "state WORD pid N" with WORD running, starting, stopping, stopped or failed.
# package, unit, verb: enable, disable, start, restart, stop, state. old: the pid it had before a restart.
set -uo pipefail
export LC_ALL=C
systemd=no; [[ -d /run/systemd/system ]] && systemd=yes
pidfile=/run/${package%-server}/$package.pid

pid_of_init() {
  local pid
  read -r pid <"$pidfile" 2>/dev/null && [[ $(readlink "/proc/$pid/exe") == /usr/bin/* ]] && echo "$pid" || echo 0
}
state() {
  if [[ $systemd == yes ]]; then
    local ActiveState=x SubState=x MainPID=0 key value
    while IFS='=' read -r key value; do printf -v "$key" %s "$value"; done \
      < <(systemctl show "$unit" -p ActiveState,SubState,MainPID)
    case $ActiveState/$SubState in
      active/running) echo "state running pid $MainPID" ;;
      activating/auto-restart|failed/*) echo "state failed pid $MainPID" ;;
      inactive/*) echo "state stopped pid 0" ;;
      deactivating/*) echo "state stopping pid $MainPID" ;;
      *) echo "state starting pid $MainPID" ;;
    esac
  else
    local pid
    pid=$(pid_of_init)
    if ((pid)); then echo "state running pid $pid"; else echo "state stopped pid 0"; fi
  fi
}
# The init script would kill a server that is still saving: it is asked to end, and waited for.
end_by_init() {
  local pid
  pid=$(pid_of_init)
  ((pid)) || return 0
  kill -TERM "$pid"
  for ((i = 0; i < 6000; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
}
case $verb/$systemd in
  enable/yes)
    # A mask lies in /etc or, until the next boot, in /run.
    for where in '' --runtime; do
      [[ $(systemctl show "$unit" -p LoadState --value) != masked ]] || systemctl unmask ${where:+"$where"} "$unit" >/dev/null 2>&1
    done
    systemctl daemon-reload
    systemctl enable "$unit" >/dev/null 2>&1 || exit 1 ;;
  enable/no) update-rc.d "$package" defaults >/dev/null 2>&1 && update-rc.d "$package" enable >/dev/null 2>&1 ;;
  start/yes|restart/yes)
    systemctl reset-failed "$unit" 2>/dev/null
    # One that failed and waits for its next turn: a start now would wait for it too.
    [[ $(systemctl show "$unit" -p SubState --value) != auto-restart ]] || systemctl stop "$unit"
    systemctl "$verb" --no-block "$unit" || exit 1 ;;
  start/no) service "$package" start >/dev/null 2>&1 </dev/null ;;
  restart/no)
    end_by_init
    service "$package" start >/dev/null 2>&1 </dev/null ;;
  stop/yes)
    # One that takes longer goes on by itself.
    timeout 20 systemctl stop "$unit" || (($? == 124)) || exit 1 ;;
  stop/no) end_by_init ;;
  disable/yes) systemctl disable "$unit" >/dev/null 2>&1 || exit 1 ;;
  disable/no) update-rc.d "$package" disable >/dev/null 2>&1 ;;
esac
# A state that lasts, or the one after ten seconds.
for ((i = 0; i < 100; i++)); do
  now=$(state)
  case $now in
    *starting*|*stopping*) ;;
    *running*) [[ $now == *" pid $old" ]] || break ;;
    *stopped*) [[ $verb != stop ]] || break; [[ $verb == enable ]] || ((i < 20)) || break ;;
    *) break ;;
  esac
  [[ $verb != *able ]] || break
  sleep 0.1
done
echo "$now"
