# Behind user.sh and before files.sh: keep dpkg and the last good configuration out of harm's way. conf, acl, user, package,
# previous: paths and names; keep: yes where it works now. Prints "asks" where dpkg will ask about redis.conf: what the
# package brought cannot be had any more.
set -euo pipefail
export LC_ALL=C
umask 077

# What worked until now, for a restart that fails.
if [[ $keep == yes && -e $conf && ! -e $previous/good ]]; then
  mkdir -p "$previous"
  rm -rf "$previous/new" && mkdir "$previous/new"
  cp -a "$conf" "$previous/new/conf"
  [[ ! -e $acl ]] || cp -a "$acl" "$previous/new/acl"
  mv -T "$previous/new" "$previous/good"
  sync "$previous"
fi

# dpkg's own copy of the configuration goes beside ours: no upgrade asks about it or puts it back.
if ! dpkg-divert --listpackage "$conf" | grep -q LOCAL; then
  # What the package brought last, for dpkg to compare the next one with: where it is another, dpkg asks.
  shipped=$(dpkg-query -W -f '${Conffiles}\n' "$package" 2>/dev/null | awk -v f="$conf" '$1 == f { print $2 }' || true)
  is_shipped() { [[ -f $1 && ! -L $1 && $(md5sum <"$1") == "$shipped  -" ]]; }
  if [[ $shipped ]] && ! is_shipped "$conf.debian"; then
    if is_shipped "$conf"; then
      cp -a --remove-destination "$conf" "$conf.debian"
    elif is_shipped "$conf.dpkg-dist"; then
      # Asked without the diversion, somebody kept ours.
      cp -a --remove-destination "$conf.dpkg-dist" "$conf.debian"
    else
      scratch=$(mktemp -d)
      version=$(dpkg-query -W -f '${Version}' "$package")
      if (cd "$scratch" && apt-get -q download "$package=$version" >/dev/null 2>&1 && dpkg-deb -x ./*.deb x); then
        chown "$user:$user" "$scratch/x$conf"
        chmod 640 "$scratch/x$conf"
        cp -a --remove-destination "$scratch/x$conf" "$conf.debian"
      else
        echo "asks"
      fi
      rm -rf "$scratch"
    fi
  fi
  # What somebody wrote is kept for good, but for its passwords.
  if [[ -e $conf && ! -e $conf.before-noevict ]] && ! is_shipped "$conf"; then
    if ! head -n 1 "$conf" | grep -q '^# noevict manages'; then
      temp=$(mktemp /etc/.noevict.XXXXXXXX)
      sed -E 's/^([[:space:]#]*["'\'']?(requirepass|masterauth|primaryauth|masteruser|primaryuser|tls-[a-z-]*key-file-pass|rename-command)["'\'']?[[:space:]]).*/\1(hidden)/I
        s/^([[:space:]#]*["'\'']?user["'\'']?[[:space:]]+[^[:space:]]+).*/\1 (hidden)/I' "$conf" >"$temp"
      mv -fT "$temp" "$conf.before-noevict"
    fi
  fi
  dpkg-divert --local --no-rename --quiet --divert "$conf.debian" --add "$conf"
fi
