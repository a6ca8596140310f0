# Put back the last configuration that worked, or the one that was there when a server did not run. conf, previous; acl:
# the users' file in a take-over, else empty; lines: directives, "NAME VALUE" each, that redis.conf must have, whatever the
# old one had. Prints "none" if there is none.
set -euo pipefail
export LC_ALL=C
umask 077
[[ -e $previous/good/conf ]] || { echo none; exit 0; }
# Nobody but root reaches what is kept, and what is edited here: the server's user could make it grow meanwhile.
scratch=$(mktemp -d /etc/.noevict.XXXXXXXX)
trap 'rm -rf "$scratch"' EXIT
back() { # from to
  [[ -e $1 ]] || return 0
  local temp=$scratch/${2##*/}
  cp "$1" "$temp"
  [[ $2 != "$conf" ]] || set_lines "$temp"
  chown --reference="$1" "$temp"
  chmod --reference="$1" "$temp"
  sync "$temp"
  mv -fT "$temp" "$2"
}
set_lines() { # file; for the server the last line of a name counts
  local name value line last
  while read -r name value; do
    line="^[[:space:]]*[\"']?${name}[\"']?[[:space:]]"
    last=$(grep -aiE "$line" "$1" | tail -n 1 | tr -d "\"'") || true
    [[ $name && $last != "$name $value" ]] || continue
    # The other values are the servers' defaults.
    [[ $last || $name == appendonly || $name == dir ]] || continue
    sed -i -E "/$line/Id" "$1"
    printf '\n%s %s\n' "$name" "$value" >>"$1"
  done <<<"$lines"
}
back "$previous/good/conf" "$conf"
# What is kept may be from a much earlier run. A managed server's users stay: passwords and users that are gone since do
# not come back.
[[ ! $acl ]] || back "$previous/good/acl" "$acl"
sync "${conf%/*}"
