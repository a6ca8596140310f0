# Write a file that only root can read, whole or not at all. directory, file (its name there), content.
set -euo pipefail
umask 077
[[ -d $directory && ! -L $directory ]] || mkdir -p "$directory"
chown root:root "$directory"
chmod 700 "$directory"
temp=$(mktemp "$directory/.new.XXXXXXXX")
trap 'rm -f "$temp"' EXIT
printf '%s\n' "$content" >"$temp"
sync "$temp"
mv -fT "$temp" "$directory/$file"
sync "$directory"
