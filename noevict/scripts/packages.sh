# Get apt ready and tell which release of the server's package there is. package; tools: to install now, if any; fetch:
# yes to have the package here before something is stopped for it.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# Into a file: where the connection ends, so does a dpkg that cannot write, half way.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
apt() {
  apt-get -q -y -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@" >"$said" 2>&1 </dev/null ||
    { tail -n 20 "$said" >&2; return 1; }
}
candidate() { apt-cache policy "$package" | sed -n 's/^  Candidate: //p'; }

# What was cut off, half installed, or written down and not yet entered, goes on; what else it needs is for who began it.
if [[ $(dpkg --audit) || $(ls -A /var/lib/dpkg/updates) ]]; then
  dpkg --force-confold --configure -a >"$said" 2>&1 </dev/null || {
    left=$(sed -n '/^Errors were encountered/,$s/^ //p' "$said" | tr '\n' ' ')
    why=$(sed -n '/^dpkg: error/{n;s/^ *//p;q}' "$said")
    if [[ $left == "$package " ]]; then
      # Of the server's own installation, which may have been ours: what it depends on is missing yet.
      apt install --fix-broken --no-remove
    else
      echo "an upgrade was interrupted here and does not go on by itself (${left% }: $why): on the host, apt --fix-broken install; then run again"
      exit 1
    fi
  }
fi
found=$(candidate)
if [[ -z $found || $found == "(none)" ]]; then
  apt update
  found=$(candidate)
fi
[[ $found && $found != "(none)" ]] || { echo "no package $package in this host's apt sources"; exit 1; }
if [[ $tools ]]; then
  # A list of names.
  # shellcheck disable=SC2086
  apt install --no-install-recommends $tools || { apt update && apt install --no-install-recommends $tools; }
fi
[[ $fetch == no ]] || apt install --download-only "$package" >&2
echo "candidate $found"
