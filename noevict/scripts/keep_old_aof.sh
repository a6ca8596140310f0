# Goes after as_user.sh: keep append-only files of an earlier time under another name: turning AOF on would delete them.
# data, stamp.
set -euo pipefail
keep_aside() {
  cd "$1"
  local dir=appendonlydir
  if [[ -d $dir && $(ls -A "$dir") ]]; then
    mv -T "$dir" "$dir.kept-$2"
    sync .
    echo "$1/$dir.kept-$2"
  fi
}
as_user 900 bash -euo pipefail -c "$(declare -f keep_aside); keep_aside \"\$@\"" - "$data" "$stamp"
