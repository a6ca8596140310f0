# Hold the host's lock for as long as the run that asked for it is alive: it writes a line now and then.
# who: what the next one is told. token: what this holder's scripts know it by. The kernel gives the lock up with this
# process, however it ends. One that was given up in silence leaves its name: its run may wake up yet.
umask 077
exec 2>&1 # what goes wrong is told
exec 9>>/run/noevict.lock
# The one that holds it writes its name a moment after it has it.
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
# A script of another holder is at work, or begins: not before it is done, and none after.
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
# Looks ask who has it, where it is there. Not from under a script that is still at work.
flock -n -x /run/noevict.work rm -f /run/noevict.work
