# Install the server's package; it starts the server with the configuration that is in place. package, binary.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt() { apt-get -q -y -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
apt install "$package" >&2 || { apt update >&2 && apt install "$package" >&2; }
[[ -x $binary ]] || apt install --reinstall "$package" >&2
