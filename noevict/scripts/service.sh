# Goes after as_user.sh and main_pid.sh: run verbs on the service, one after the other, and print its state: "state WORD pid
# N saved BYTES"; WORD is running, starting, retrying (it failed, and systemd is about to start it again), stopping, stopped
# or failed. package, unit, user, data; verb: words of enable, disable, start, restart, stop, hold (stop it unless it runs)
# and state. again: yes to only wait for verbs that were given before. old: the server's pid before a restart or stop, 0 if
# unknown. binary, conf, pidfile: for a start without systemd.
set -uo pipefail
systemd=no; [[ -d /run/systemd/system ]] && systemd=yes
# Set variables of those names.
unit_says() {
  local key value
  while IFS='=' read -r key value; do printf -v "$key" %s "$value"; done < <(systemctl show "$unit" -p "$1")
}
state() {
  local word pid
  if [[ $systemd == yes ]]; then
    local ActiveState=x SubState=x MainPID=0 Job=''
    unit_says ActiveState,SubState,MainPID,Job
    pid=$MainPID
    case $ActiveState/$SubState in
      active/running) word=running ;;
      activating/auto-restart) word=retrying ;;
      failed/*) word=failed ;;
      # A start may have to wait for the network.
      inactive/*) word=stopped pid=0; ((!Job)) || word=starting ;;
      deactivating/*) word=stopping ;;
      *) word=starting ;;
    esac
  else
    pid=$(pid_of_init) word=running
    ((pid)) || word=stopped
  fi
  # This process was asked to end.
  ((!pid || pid != old)) || word=stopping
  # Bytes saved so far while it stops.
  echo "state $word pid $pid saved $(stat -c %s "$data/temp-$pid.rdb" 2>/dev/null || echo 0)"
}
current() { local now; now=$(state); now=${now#* pid }; echo "${now%% *}"; }
# Do what Debian's init script does, but nothing as root in the directory of the pid file: that script touches and chowns
# the pid file there by name. Whatever the server's user has written into the configuration, it ends.
start_without_systemd() (
  (($(pid_of_init))) && return
  directory=${pidfile%/*}
  [[ -L $directory ]] || install -d -o "$user" -g "$user" -m 2755 "$directory"
  # shellcheck disable=SC1090
  limit=$(set +u; { . "/etc/default/$package"; } >/dev/null 2>&1 </dev/null; echo "${ULIMIT:-}")
  [[ ! $limit ]] || ulimit -n "$limit" 2>/dev/null
  # shellcheck disable=SC2016
  as_user 30 env -i sh -c 'cd / && umask 007 && rm -f "$1" && exec "$2" "$3" --daemonize yes' - \
    "$pidfile" "$binary" "$conf" >/dev/null 2>&1
  # The command returns when the server's parent ends. The server writes its pid later, on a busy machine by seconds.
  local end=$((SECONDS + 30))
  while ((SECONDS < end)); do
    (($(pid_of_init))) && break
    is_there || break
    sleep 0.1
  done
)
# Whether a process of the server's user runs its program.
is_there() {
  local process
  while read -r process; do
    [[ ! $process/exe -ef $binary ]] || return 0
  done < <(find /proc -maxdepth 1 -user "$user" -name '[1-9]*')
  return 1
}
begin() {
  case $verb in restart|stop) ((old)) || old=$(current) ;; esac
  case $verb/$systemd in
    enable/yes)
      local LoadState='' NeedDaemonReload='' UnitFileState=''
      # A mask lies in /etc or, until the next boot, in /run.
      for where in '' --runtime; do
        unit_says LoadState
        [[ $LoadState == masked ]] || break
        systemctl unmask ${where:+"$where"} "$unit" >/dev/null 2>&1
      done
      unit_says LoadState,NeedDaemonReload,UnitFileState
      # Each of these two takes a few tenths of a second.
      [[ $LoadState == loaded && $NeedDaemonReload == no ]] || systemctl daemon-reload
      case $UnitFileState in enabled|alias) ;; *) systemctl enable "$unit" >/dev/null 2>&1 || exit 1 ;; esac ;;
    enable/no) update-rc.d "$package" defaults >/dev/null 2>&1 && update-rc.d "$package" enable >/dev/null 2>&1 ;;
    start/yes|restart/yes)
      [[ $verb != start || $(state) != "state running "* ]] || return
      systemctl reset-failed "$unit" 2>/dev/null
      # systemd waits before its next try, and a start now would wait too.
      [[ $(systemctl show "$unit" -p SubState --value) != auto-restart ]] || systemctl stop "$unit"
      systemctl "$verb" --no-block "$unit" || exit 1 ;;
    start/no) start_without_systemd ;;
    # The init script would kill a server that is still saving: ask it to end, and wait. The server's user wrote the
    # pid, so it is that user who asks.
    restart/no|stop/no) ((!old)) || as_user 5 kill -TERM "$old" >/dev/null ;;
    stop/yes) systemctl stop --no-block "$unit" || exit 1 ;;
    hold/yes) [[ $(state) == "state running "* ]] || systemctl stop --no-block "$unit" || exit 1 ;;
    disable/yes)
      local LoadState=''
      # Without an installed package there is nothing to disable.
      systemctl disable "$unit" >/dev/null 2>&1 || { unit_says LoadState; [[ $LoadState == not-found ]] || exit 1; } ;;
    disable/no) update-rc.d "$package" disable >/dev/null 2>&1 ;;
  esac
}
for verb in $verb; do [[ $again == yes ]] || begin; done
started=no
# Print a state that lasts, or the one after two seconds: the next call continues from there.
for ((i = 0; i < 20; i++)); do
  now=$(state)
  case $now in
    *starting*|*stopping*) ;;
    # A stop that was just asked for has not begun.
    *retrying*) [[ $verb == stop || $verb == hold ]] || break ;;
    *stopped*)
      [[ $verb != stop && $verb != hold ]] || break
      # A restart has stopped it, and starts it now.
      if [[ $verb == restart && $systemd == no && $started == no ]]; then
        start_without_systemd
        started=yes
      fi ;;
    *) break ;;
  esac
  [[ $verb != *able ]] || break
  sleep 0.1
done
echo "$now"
