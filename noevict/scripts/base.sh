# Goes after as_user.sh: make the RDB that was just saved the base of append-only files. Append-only files of an earlier
# time are kept under another name: turning AOF on would delete them. AOF is off. A start always finds the earlier files
# or the new base: the manifest, which names them, is replaced in one rename. user, data, dump: the name of the RDB;
# since: when its save began, in seconds; stamp; written: yes if the server has written its own files by now, and the
# base is no longer needed.
# Prints "base BYTES" and, if earlier files were kept, "kept PATH".
set -euo pipefail
base() { # data dump since stamp written
  umask 027
  cd "$1"
  local dir=appendonlydir manifest=appendonlydir/appendonly.aof.manifest name=appendonly.aof.$4-$$.base.rdb file kept
  local ours='file appendonly\.aof\.[0-9]+T[0-9]+Z-[0-9]+\.base\.rdb seq 1 type b'
  if [[ $5 == yes ]]; then
    for file in "$dir"/appendonly.aof.*Z-*.base.rdb; do
      [[ ! -f $file ]] || grep -qF -- "${file##*/}" "$manifest" || rm -f -- "$file"
    done
    return
  fi
  if [[ ! -f $2 || -L $2 ]] || (($(stat -c %Y -- "$2") + 1 < $3)); then
    echo "$1/$2 is not what was just saved"
    return 1
  fi
  [[ -d $dir ]] || mkdir -m 750 "$dir"
  # A base that no server has started with holds nothing that the RDB does not.
  if [[ $(ls -A "$dir") && ! $(cat "$manifest" 2>/dev/null) =~ ^$ours$ ]]; then
    kept=$dir.kept-$4
    mkdir -m 750 "$kept"
    for file in "$dir"/*; do
      [[ ! -f $file || -L $file ]] || ln -- "$file" "$kept/"
    done
    sync "$kept"
    echo "kept $1/$kept"
  fi
  ln -- "$2" "$dir/$name"
  printf 'file %s seq 1 type b\n' "$name" >"$dir/.manifest"
  sync "$dir/.manifest" "$dir"
  mv -fT "$dir/.manifest" "$manifest"
  sync "$dir" .
  for file in "$dir"/*; do
    [[ $file == "$manifest" || $file == "$dir/$name" || ! -f $file ]] || rm -f -- "$file"
  done
  echo "base $(stat -c %s "$dir/$name")"
}
as_user 900 bash -euo pipefail -c "$(declare -f base); base \"\$@\"" - "$data" "$dump" "$since" "$stamp" "$written"
