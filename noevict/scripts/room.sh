# How much may be written where a server starts: "BYTES PATH", a line for each. data.
set -euo pipefail
for path in "$data" /etc /var/lib; do
  read -r blocks size < <(stat -f -c '%a %S' "$path")
  echo "$((blocks * size)) $path"
done
