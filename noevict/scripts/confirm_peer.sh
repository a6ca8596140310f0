# Goes after main_pid.sh: print "yes" if the service's process holds noevict's connection to a socket of this host.
# sockets: the address and port, as the kernel writes them. A program of another user may have taken the port when the
# server ended; whoever answered there has accepted the connection, so that the kernel knows whose it is. A connection that
# nobody has accepted yet has no inode, and one of a client may end while this looks.
set -uo pipefail

# The processes that this script comes from: one of them, of SSH or noevict itself, holds the other end of the connection.
above=()
for ((p = $$; p > 1; p = fields[1])); do
  above+=("/proc/$p/fd")
  read -r stat <"/proc/$p/stat" || break
  read -r -a fields <<<"${stat##*) }"
done
declare -A mine=()
while read -r socket; do mine[$socket]=1; done < <(find "${above[@]}" -lname 'socket:*' -printf '%l\n' 2>/dev/null)

for ((i = 0; i < 20; i++)); do
  pid=$(main_pid)
  declare -A holder=() own=()
  while read -r _ here there state _ _ _ _ _ inode _; do
    [[ $state != 0A && " $sockets " == *" $here "* || " $sockets " == *" $there "* ]] || continue
    # One end may have an address of IPv4 as IPv6 writes it.
    holder[${here#0000000000000000FFFF0000} ${there#0000000000000000FFFF0000}]=$inode
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  # After the connections: a socket that is theirs now, and was there then, was theirs then.
  while read -r socket; do own[$socket]=1; done < <(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null)
  ends=() all=()
  for pair in "${!holder[@]}"; do
    here=${pair% *} there=${pair#* }
    if [[ ${mine[socket:[${holder[$pair]}]]-} ]]; then
      ends+=("${holder[$there $here]:-0}")
    elif [[ ${holder[$pair]} != 0 && ${sockets//0000000000000000FFFF0000/} =~ (^| )$here( |$) ]]; then
      all+=("${holder[$pair]}")
    fi
  done
  # If noevict connects directly, its connection cannot be distinguished from others, so all of them have to be the server's.
  ((${#ends[@]})) || ends=("${all[@]}")
  answer=no
  for inode in "${ends[@]}"; do
    answer=yes
    [[ ${own[socket:[$inode]]-} ]] || { answer=no; break; }
  done
  [[ $answer == no ]] || break
  sleep 0.1
done
echo "$answer"
