# Behind user.sh and descriptors.sh, before files.sh: keep dpkg and the last good configuration out of harm's way. etc,
# conf, acl, package, previous: paths and names; keep: yes where it works now. Prints "asks" where dpkg will ask about
# redis.conf: what the package brought cannot be had any more.
set -euo pipefail
export LC_ALL=C
umask 077

# What worked until now, for a restart that fails.
if [[ $keep == yes && -e $conf && ! -e $previous/good ]]; then
  mkdir -p "$previous"
  rm -rf "$previous/new" && mkdir "$previous/new"
  # What is no regular file cannot be put back, and is not what the server needs.
  if descriptors copy "$conf" "$previous/new/conf" 2>/dev/null && [[ -e $previous/new/conf ]]; then
    descriptors copy "$acl" "$previous/new/acl" 2>/dev/null || true
    mv -T "$previous/new" "$previous/good"
    sync "$previous"
  fi
fi

# With any entry for it, the package's upgrades leave the directory's owner and mode as they are. dpkg turns numbers into
# names when it next writes this list, and a name that is gone, as the server's user is after a purge, stops every dpkg: of
# this entry, root's is the only one. dpkg itself does nothing with it: it makes no directory that is there.
override="root root 3770 $etc"
if ! grep -qxF -- "$override" /var/lib/dpkg/statoverride; then
  # shellcheck disable=SC2086
  dpkg-statoverride --force-statoverride-add --quiet --add $override
fi

# dpkg's own copy of the configuration goes beside ours: no upgrade asks about it or puts it back. It is root's: an upgrade
# writes through a link in its place, and it was the server's user's once.
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
  # What the package brought last, for dpkg to compare the next one with: where it is another, dpkg asks.
  shipped=$(dpkg-query -W -f '${Conffiles}\n' "$package" 2>/dev/null | awk -v f="$conf" '$1 == f { print $2 }' || true)
  is_shipped() { [[ -f $1 && $(md5sum <"$1") == "$shipped  -" ]]; }
  for path in "$conf" "$conf.debian" "$conf.dpkg-dist"; do
    # What is no regular file, or too large, is not what the package brought.
    descriptors copy "$path" "$scratch/${path##*/}" 2>/dev/null || rm -f "$scratch/${path##*/}"
  done
  copied=$scratch/${conf##*/}
  # In one rename: a link or a directory in its place would be written through.
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
      # Asked without the diversion, somebody kept ours.
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
  # What somebody wrote is kept for good, but for its passwords.
  if [[ -e $copied && ! -e $conf.before-noevict ]] && ! is_shipped "$copied"; then
    if ! head -n 1 "$copied" | grep -q '^# noevict manages'; then
      sed -E 's/^([[:space:]#]*["'\'']?(requirepass|masterauth|primaryauth|masteruser|primaryuser|tls-[a-z-]*key-file-pass|rename-command)["'\'']?[[:space:]]).*/\1(hidden)/I
        s/^([[:space:]#]*["'\'']?user["'\'']?[[:space:]]+[^[:space:]]+).*/\1 (hidden)/I' "$copied" >"$scratch/before"
      bring "$scratch/before" "$conf.before-noevict"
    fi
  fi
  dpkg-divert --local --no-rename --quiet --divert "$conf.debian" --add "$conf"
  # Now: what comes behind this script has an end of its own. A copy may hold somebody's password.
  rm -rf "$scratch"
fi
