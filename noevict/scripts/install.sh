# Behind apt.sh: install the server's package; it starts the server with the configuration that is in place. package,
# binary.
apt install "$package" || { apt update && apt install "$package"; }
[[ -x $binary ]] || apt install --reinstall "$package"
