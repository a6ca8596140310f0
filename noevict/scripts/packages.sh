# Get apt ready and tell which release of the server's package there is. package; tools: to install now, if any; fetch:
# yes to have the package here before something is stopped for it.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt() { apt-get -q -y -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
candidate() { apt-cache policy "$package" | sed -n 's/^  Candidate: //p'; }

[[ -z $(dpkg --audit) ]] || dpkg --force-confold --configure -a >&2 </dev/null
found=$(candidate)
if [[ -z $found || $found == "(none)" ]]; then
  apt update >&2
  found=$(candidate)
fi
[[ $found && $found != "(none)" ]] || { echo "no package $package in this host's apt sources"; exit 1; }
if [[ $tools ]]; then
  # A list of names.
  # shellcheck disable=SC2086
  apt install --no-install-recommends $tools >&2 || { apt update >&2 && apt install --no-install-recommends $tools >&2; }
fi
[[ $fetch == no ]] || apt install --download-only "$package" >&2
echo "candidate $found"
