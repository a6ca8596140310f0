# Behind apt.sh: get apt ready and tell which release of the server's package there is. package; tools: to install now, if
# any; fetch: yes to have the package here before something is stopped for it; pid: of the server that runs, 0 for none.
candidate() { apt-cache policy "$package" | sed -n 's/^  Candidate: //p'; }

# said: apt.sh has it.
# shellcheck disable=SC2154
# What was cut off, half installed, or written down and not yet entered, goes on; what else it needs is for who began it.
if [[ $(dpkg --audit) || $(ls -A /var/lib/dpkg/updates) ]]; then
  # The server's package may be among it, and is not to start yet: the configuration there is may be the package's own,
  # without TLS and password.
  policy=/usr/sbin/policy-rc.d
  if [[ $pid == 0 && (! -e $policy || -L $policy) ]]; then
    # shellcheck disable=SC2016
    printf '#!/bin/sh\ncase "$1" in %s|%s.service) exit 101 ;; esac\n' "$package" "$package" >/run/noevict.policy
    chmod 755 /run/noevict.policy
    trap 'rm -f "$said" "$policy" /run/noevict.policy' EXIT
    ln -sfn /run/noevict.policy "$policy" # a link, which means nothing after a boot
  fi
  unlocked dpkg --force-confold --configure -a || {
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
