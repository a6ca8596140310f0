# Goes after user.sh and descriptors.sh: keep the last good configuration, and keep dpkg away from ours.
# etc, conf, package, previous: paths and names; acl: as for rollback.sh; keep: yes if the configuration works now, stopped
# if the server does not run, else no. Prints "asks" if dpkg will ask about redis.conf, because the package's own file is no
# longer available.
set -euo pipefail
export LC_ALL=C
umask 077

# What an earlier run kept of a server that did not run may never have worked: it counts no longer.
[[ $keep == no || ! -e $previous/good/stopped ]] || rm -rf "$previous/good"
# Keep the configuration that worked until now, or was there, for a start that fails.
if [[ $keep != no && -e $conf && ! -e $previous/good ]]; then
  mkdir -p "$previous"
  rm -rf "$previous/new" && mkdir "$previous/new"
  # Only a regular file can be put back, or be what the server needs.
  if descriptors copy "$conf" "$previous/new/conf" 2>/dev/null && [[ -e $previous/new/conf ]]; then
    [[ ! $acl ]] || descriptors copy "$acl" "$previous/new/acl" 2>/dev/null || true
    [[ $keep != stopped ]] || : >"$previous/new/stopped"
    # Its name is not on disk before what it holds: an empty file would be put back after a power cut.
    sync "$previous"/new/* "$previous/new"
    mv -T "$previous/new" "$previous/good"
    sync "$previous"
  fi
fi

# With any entry for the directory, the package's upgrades leave its owner and mode as they are. dpkg turns numbers into
# names when it next writes this list, and a name that is gone, such as the server's user after a purge, stops every dpkg:
# this entry names only root. dpkg itself does nothing with the entry, because the directory exists.
override="root root 3770 $etc"
if ! grep -qxF -- "$override" /var/lib/dpkg/statoverride; then
  # shellcheck disable=SC2086
  dpkg-statoverride --force-statoverride-add --quiet --add $override
fi

# dpkg's own copy of the configuration goes beside ours: no upgrade asks about it or puts it back. The copy has to be
# root's: an upgrade would write through a link in its place, and it belonged to the server's user once.
if [[ (-e $conf.debian || -L $conf.debian) && $(stat -c %u "$conf.debian") != 0 ]]; then
  temp=$(mktemp -d /etc/.noevict.XXXXXXXX)
  if descriptors copy "$conf.debian" "$temp/copy" 2>/dev/null && [[ -e $temp/copy ]]; then
    chown root:root "$temp/copy"
    mv -fT "$temp/copy" "$conf.debian"
  else
    rm -rf "$conf.debian"
  fi
  rm -rf "$temp"
fi
if ! dpkg-divert --listpackage "$conf" | grep -q LOCAL; then
  scratch=$(mktemp -d /run/noevict.place.XXXXXXXX)
  trap 'rm -rf "$scratch"' EXIT
  # Find the package's last file: dpkg compares the next one with it, and asks if they differ.
  shipped=$(dpkg-query -W -f '${Conffiles}\n' "$package" 2>/dev/null | awk -v f="$conf" '$1 == f { print $2 }' || true)
  is_shipped() { [[ -f $1 && $(md5sum <"$1") == "$shipped  -" ]]; }
  for path in "$conf" "$conf.debian" "$conf.dpkg-dist"; do
    # A file that is not regular, or too large, is not the package's.
    descriptors copy "$path" "$scratch/${path##*/}" 2>/dev/null || rm -f "$scratch/${path##*/}"
  done
  copied=$scratch/${conf##*/}
  # One rename: cp would follow a link or enter a directory in its place.
  bring() { # from to
    local temp
    chown root:root "$1"
    temp=$(mktemp /etc/.noevict.XXXXXXXX)
    cp -a --remove-destination "$1" "$temp"
    mv -fT "$temp" "$2"
  }
  if [[ $shipped ]] && ! is_shipped "$copied.debian"; then
    if is_shipped "$copied"; then
      bring "$copied" "$conf.debian"
    elif is_shipped "$copied.dpkg-dist"; then
      # Without the diversion dpkg asked, and somebody kept our file.
      bring "$copied.dpkg-dist" "$conf.debian"
    else
      mkdir "$scratch/package"
      version=$(dpkg-query -W -f '${Version}' "$package")
      if (cd "$scratch/package" && apt-get -q download "$package=$version" >/dev/null 2>&1 && dpkg-deb -x ./*.deb x); then
        chmod 640 "$scratch/package/x$conf"
        bring "$scratch/package/x$conf" "$conf.debian"
      else
        echo "asks"
      fi
    fi
  fi
  # A configuration that somebody wrote is kept for ever, without its passwords.
  if [[ -e $copied && ! -e $conf.before-noevict ]] && ! is_shipped "$copied"; then
    if ! head -n 1 "$copied" | grep -q '^# noevict manages'; then
      sed -E 's/^([[:space:]#]*["'\'']?(requirepass|masterauth|primaryauth|masteruser|primaryuser|tls-[a-z-]*key-file-pass|rename-command)["'\'']?[[:space:]]).*/\1(hidden)/I
        s/^([[:space:]#]*["'\'']?user["'\'']?[[:space:]]+[^[:space:]]+).*/\1 (hidden)/I' "$copied" >"$scratch/before"
      bring "$scratch/before" "$conf.before-noevict"
    fi
  fi
  dpkg-divert --local --no-rename --quiet --divert "$conf.debian" --add "$conf"
fi
