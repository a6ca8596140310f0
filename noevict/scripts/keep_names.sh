# Between apt.sh and install.sh: dpkg and the package's own scripts go by name, and through a link in place of the
# configuration or of dpkg's copy of it. Meanwhile the server's user changes no name in this directory. A run that is killed
# leaves a mode that the next one repairs. etc, conf.
chmod 01750 "$etc"
# said: apt.sh has it.
# shellcheck disable=SC2154
trap 'rm -f "$said"; chmod 03770 "$etc"' EXIT
[[ -f $conf && ! -L $conf ]] || { echo "$conf: should be a regular file: run again" >&2; exit 1; }
for path in "$conf".debian "$conf".dpkg-* "$conf".debian.dpkg-*; do # the names that dpkg writes to
  [[ -f $path && ! -L $path ]] || rm -rf "$path"
done
