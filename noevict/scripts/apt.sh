# Goes before the scripts that install something.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# Output goes into a file: when the connection breaks, a dpkg that cannot write stops half way.
output=$(mktemp)
temporary=("$output")
trap 'rm -f "${temporary[@]}"' EXIT
# Until this script ends, no package's script starts that service. A policy of the host's own is left alone.
no_start() { # service
  local policy=/usr/sbin/policy-rc.d
  [[ ! -e $policy || -L $policy ]] || return 0
  # shellcheck disable=SC2016
  printf '#!/bin/sh\ncase "$1" in %s|%s.service) exit 101 ;; esac\n' "$1" "$1" >/run/noevict.policy
  chmod 755 /run/noevict.policy
  temporary+=("$policy" /run/noevict.policy)
  ln -sfn /run/noevict.policy "$policy" # a link, which means nothing after a boot
}
# Waits for the locks of another apt: apt itself waits for only one of them, dpkg for none.
unlocked() {
  until "$@" >"$output" 2>&1 </dev/null; do
    if ! grep -qE 'Could not get lock|lock was locked by' "$output" || ((SECONDS > 300)); then return 1; fi
    sleep 3
  done
}
apt() {
  unlocked apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@" ||
    { grep -v '^   ' "$output" | tail -n 20 >&2; return 1; } # without lists of hashes
}
