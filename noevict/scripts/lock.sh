# Hold the host's lock for as long as the run that asked for it is alive: it writes a line now and then.
# who: the holder, for the next run's message. token: by it, this holder's scripts recognise their lock. The kernel
# releases the lock when this process ends in any way. A holder that lost it by silence leaves its name: its run may
# still wake up.
umask 077
exec 2>&1 # report errors too
exec 9>>/run/noevict.lock
# A holder writes its name a moment after it has the lock.
for ((i = 0; i < 80; i++)); do
  flock -n 9 && i=-1 && break
  read -r holder </run/noevict.lock
  [[ ! $holder ]] || break
  sleep 0.1
done
if ((i >= 0)); then
  printf 'held %s\n' "$holder"
  exit 0
fi
read -r silent </run/noevict.lock
: >/run/noevict.lock
# Wait for a running script of another holder; none of them begins afterwards.
exec 8>>/run/noevict.work
chmod 600 /run/noevict.work # whoever may open it may hold it
if ! flock -x -w 5 8; then
  printf '%s\n' "$silent" >/run/noevict.lock
  printf 'held a command of an earlier run\n'
  exit 0
fi
printf '%s since %s\n%s\n%s\n' "$who" "$(date '+%Y-%m-%d %H:%M:%S %Z')" "$token" "$$" >/run/noevict.lock
exec 8>&-
echo "locked $silent"
while :; do
  IFS= read -r -t 90 _
  ended=$?
  ((ended == 0)) || break
done
((ended > 128)) && exit
: >/run/noevict.lock
# Looks read this file if it exists. Do not remove it while a script is still running.
flock -n -x /run/noevict.work rm -f /run/noevict.work
