# Goes after apt.sh: prepare apt and print which release of the server's package it has. package; tools: to install now, if
# any; fetch: yes to have the package here before something is stopped for it; pid: of the server that runs, 0 for none.
candidate() { apt-cache policy "$package" | sed -n 's/^  Candidate: //p'; }

# output: apt.sh sets it.
# shellcheck disable=SC2154
# Finish an interrupted installation; if that needs more, it is left to whoever began it.
if [[ $(dpkg --audit) || $(ls -A /var/lib/dpkg/updates) ]]; then
  # The server's package may be among them and must not start yet: its configuration may still be the package's own,
  # without TLS and password.
  [[ ! -d /run/systemd/system || $pid != 0 ]] || no_start
  unlocked dpkg --force-confold --configure -a || {
    left=$(sed -n '/^Errors were encountered/,$s/^ //p' "$output" | tr '\n' ' ')
    why=$(sed -n '/^dpkg: error/{n;s/^ *//p;q}' "$output")
    if [[ $left == "$package " ]]; then
      # The server's own installation, perhaps ours, was interrupted: its dependencies are missing.
      apt install --fix-broken --no-remove
    else
      echo "an upgrade was interrupted here and does not continue by itself (${left% }: $why): on the host, apt --fix-broken install; then run again"
      exit 1
    fi
  }
fi
there() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]]; }
# apt renames each changed list into this directory, which sets its time; a refresh that fails or finds nothing new does
# not. Nothing else shows a refresh: files have the archive's times, and any command writes apt's caches. Ubuntu's stamp
# shows refreshes that did not fail.
recent() {
  [[ $(find /var/lib/apt/lists /var/lib/apt/periodic/update-success-stamp -maxdepth 0 -mmin -1440 2>/dev/null) ]]
}
found=$(candidate)
# A new installation should not be a release with flaws that are known and fixed.
if [[ -z $found || $found == "(none)" ]] || { { [[ $tools ]] || ! there; } && ! recent; }; then
  # Without this option, apt ignores lists that it cannot fetch, and uses the earlier ones.
  unlocked apt-get -q -y -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any update || {
    why=$(sed -n 's/^E: //p' "$output" | head -n 1)
    echo "the package lists, missing or older than a day, could not be refreshed: ${why:-apt-get update failed}: fix the host's network or its apt sources, then run again"
    exit 1
  }
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
