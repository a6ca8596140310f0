# Goes before the scripts that install something.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# Into a file: where the connection ends, so does a dpkg that cannot write, half way.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# Waits for the locks of somebody else's apt: of itself apt waits for one of them, dpkg for none.
unlocked() {
  until "$@" >"$said" 2>&1 </dev/null; do
    if ! grep -qE 'Could not get lock|lock was locked by' "$said" || ((SECONDS > 300)); then return 1; fi
    sleep 3
  done
}
apt() {
  unlocked apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@" ||
    { grep -v '^   ' "$said" | tail -n 20 >&2; return 1; } # without lists of hashes
}
