# Hold the host's lock for as long as the run that asked for it is alive: it writes a line now and then.
# who: what the next one is told. The kernel gives the lock up with this process, however it ends.
umask 077
exec 2>&1 # what goes wrong is told
exec 9>>/run/noevict.lock
if ! flock -n 9; then
  read -r holder </run/noevict.lock
  printf 'held %s\n' "$holder"
  exit 0
fi
# What a run began that was killed, apt for instance, goes on.
exec 8>>/run/noevict.work
if ! flock -x -w 5 8; then
  printf 'held a command of an earlier run\n'
  exit 0
fi
exec 8>&-
printf '%s since %s\n' "$who" "$(date '+%Y-%m-%d %H:%M:%S %Z')" >/run/noevict.lock
echo locked
while IFS= read -r -t 90 _; do :; done
: >/run/noevict.lock
