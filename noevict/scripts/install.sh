# Goes after apt.sh: install the server's package, which starts the server with the configuration in place; without systemd
# it would do so by its init script, which works as root, by name, in the server's /run, and service.sh starts it. package,
# binary.
[[ -d /run/systemd/system ]] || no_start "$package"
apt install "$package" || { apt update && apt install "$package"; }
[[ -x $binary ]] || apt install --reinstall "$package"
