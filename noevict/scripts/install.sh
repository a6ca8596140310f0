# Goes after apt.sh: install the server's package, which with systemd starts the server, with the configuration in place.
# package, binary.
apt install "$package" || { apt update && apt install "$package"; }
[[ -x $binary ]] || apt install --reinstall "$package"
