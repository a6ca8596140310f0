# Goes after as_user.sh: undo what hand_over.sh did under that stamp; neither server is running. source, target, old,
# stamp: as there.
set -euo pipefail
names=(appendonlydir dump.rdb appendonly.aof)
# The new server did not start with its copy, which is kept all the same.
keep() { # target stamp name...
  cd "$1"
  local name
  for name in "${@:3}"; do
    [[ ! -e $name ]] || mv -T "$name" "$name.kept-$2"
  done
  sync .
}
give_back() { # source stamp name...
  cd "$1"
  local name
  for name in "${@:3}"; do
    [[ ! -e $name.moved-$2 ]] || mv -T "$name.moved-$2" "$name"
  done
  sync .
}
moved=()
for name in "${names[@]}"; do
  [[ ! -e $source/$name.moved-$stamp ]] || moved+=("$name")
done
((${#moved[@]})) || exit 0
as_user 60 bash -euo pipefail -c "$(declare -f keep); keep \"\$@\"" - "$target" "$stamp" "${moved[@]}"
# shellcheck disable=SC2034
user=$old # for as_user
as_user 60 bash -euo pipefail -c "$(declare -f give_back); give_back \"\$@\"" - "$source" "$stamp" "${moved[@]}"
