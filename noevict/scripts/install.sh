# Behind apt.sh: install the server's package; it starts the server with the configuration that is in place. package,
# binary, etc, conf.
# dpkg and the package's own scripts go by name, and through a link in place of the configuration or of dpkg's copy of it:
# meanwhile the server's user changes no name in this directory. A run that is killed leaves a mode that the next one mends.
chmod 01750 "$etc"
trap 'rm -f "$said"; chmod 03770 "$etc"' EXIT
[[ -f $conf && ! -L $conf ]] || { echo "$conf: should be a regular file: run again" >&2; exit 1; }
for path in "$conf".*; do
  [[ -f $path && ! -L $path ]] || rm -rf "$path"
done
apt install "$package" || { apt update && apt install "$package"; }
[[ -x $binary ]] || apt install --reinstall "$package"
