# Goes before scripts about the service's process. unit, user, pidfile.
export LC_ALL=C
systemd=no; [[ -d /run/systemd/system ]] && systemd=yes

pid_of_init() {
  # The server's user wrote the file, and may have put anything there: only that user's process counts.
  local pid
  pid=$(timeout 5 dd if="$pidfile" iflag=nofollow,nonblock bs=32 count=1 status=none 2>/dev/null | tr -cd 0-9)
  [[ $pid && $(readlink "/proc/$pid/exe") == /usr/bin/* && $(stat -c %U "/proc/$pid") == "$user" ]] || pid=0
  echo "$pid"
}
main_pid() {
  if [[ $systemd == yes ]]; then systemctl show "$unit" -p MainPID --value; else pid_of_init; fi
}
