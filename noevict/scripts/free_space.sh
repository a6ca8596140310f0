# Print how much a server can write to each of its directories ("disk BYTES PATH"), and how much memory programs can
# still take ("memory BYTES"). data.
set -euo pipefail
for path in "$data" /etc /var/lib; do
  read -r blocks size < <(stat -f -c '%a %S' "$path")
  echo "disk $((blocks * size)) $path"
done
while read -r key value _; do
  [[ $key != MemAvailable: ]] || echo "memory $((value * 1024))"
done </proc/meminfo
