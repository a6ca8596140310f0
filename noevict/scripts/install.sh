# Install the server's package; it starts the server with the configuration that is in place. package, binary.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# Into a file: where the connection ends, so does a dpkg that cannot write, half way.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
apt() {
  apt-get -q -y -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@" >"$said" 2>&1 </dev/null ||
    { tail -n 20 "$said" >&2; return 1; }
}
apt install "$package" || { apt update && apt install "$package"; }
[[ -x $binary ]] || apt install --reinstall "$package"
