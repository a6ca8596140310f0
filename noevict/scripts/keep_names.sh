# Goes between apt.sh and install.sh: dpkg and the package's scripts open files by name, and would follow a link in place
# of the configuration or of dpkg's copy. While they run, the server's user cannot change a name in this directory. A run
# that is killed leaves a mode that the next run repairs. etc, conf.
chmod 01750 "$etc"
# temporary: apt.sh sets it.
# shellcheck disable=SC2154
trap 'rm -rf "${temporary[@]}"; chmod 03770 "$etc"' EXIT
[[ -f $conf && ! -L $conf ]] || { echo "$conf: should be a regular file: run again" >&2; exit 1; }
for path in "$conf".debian "$conf".dpkg-* "$conf".debian.dpkg-*; do # the names that dpkg writes to
  [[ -f $path && ! -L $path ]] || rm -rf "$path"
done
