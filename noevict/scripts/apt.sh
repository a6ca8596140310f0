# Goes before the scripts that install something. servers: the services of the servers that noevict manages; state: the
# directory with what noevict keeps.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# Output goes into a file: when the connection breaks, a dpkg that cannot write stops half way.
output=$(mktemp)
temporary=("$output")
trap 'rm -rf "${temporary[@]}"' EXIT
# On a signal, bash waits for the apt that is running, which needs these files, and then ends.
trap 'exit 1' HUP INT TERM
apt_options=(-q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300)
# From now on, no package's script starts or restarts a server: in the PATH of such scripts, a program that skips these
# services comes before the ones that ask the host's policy-rc.d. The host's own policy stays as it is. If this script is
# killed, there is nothing to put back, and a later one removes the directory.
no_start() {
  local directory path
  install -d -m 700 "$state" # programs in /run cannot run everywhere
  find "$state" -maxdepth 1 -name 'apt.*' -mmin +1440 -exec rm -rf {} +
  directory=$(mktemp -d "$state/apt.XXXXXXXX")
  temporary+=("$directory")
  path=$(apt-config dump --format '%v' DPkg::Path)
  path=${path:-/usr/sbin:/usr/bin:/sbin:/bin}
  # shellcheck disable=SC2016
  printf '%s\n' '#!/bin/sh' \
    'for word; do case $word in *start|*reload) skipped=" '"$servers"' " ;; esac; done' \
    'for word; do case "$skipped" in *" ${word%.service} "*) exit 0 ;; esac; done' \
    "PATH=$(printf %q "$path")"' exec "${0##*/}" "$@"' >"$directory/invoke-rc.d"
  chmod 755 "$directory/invoke-rc.d"
  cp -p "$directory/invoke-rc.d" "$directory/deb-systemd-invoke"
  export PATH="$directory:$path"
  apt_options+=(-o "DPkg::Path=$PATH")
}
# Debian's init script works as root, by name, in the server's /run: service.sh starts the server without it.
[[ -d /run/systemd/system ]] || no_start
# Waits for the locks of another apt: apt itself waits for only one of them, dpkg for none.
unlocked() {
  until "$@" >"$output" 2>&1 </dev/null; do
    if ! grep -qE 'Could not get lock|lock was locked by' "$output" || ((SECONDS > 300)); then return 1; fi
    sleep 3
  done
}
apt() {
  unlocked apt-get "${apt_options[@]}" "$@" ||
    { grep -v '^   ' "$output" | tail -n 20 >&2; return 1; } # without lists of hashes
}
