# Goes after main_pid.sh: print "yes" if the service's process holds every connection to a socket of this host, and has one.
# sockets: the address and port, as the kernel writes them. A program of another user may have taken the port when the
# server ended; whoever answered there has accepted the connection, so that the kernel knows whose it is. A connection that
# nobody has accepted yet has no inode, and one of a client may end while this looks.
set -uo pipefail
for ((i = 0; i < 20; i++)); do
  pid=$(main_pid)
  held=''
  while read -r _ here _ state _ _ _ _ _ inode _; do
    [[ " $sockets " != *" $here "* || $state == 0A || $inode == 0 ]] || held+="$inode "
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  own=$(find "/proc/$pid/fd" -lname 'socket:*' -printf ' %l ' 2>/dev/null)
  answer=no
  for inode in $held; do
    answer=yes
    [[ $own == *" socket:[$inode] "* ]] || { answer=no; break; }
  done
  [[ $answer == no ]] || break
  sleep 0.1
done
echo "$answer"
