# Goes after as_user.sh, before a server starts with AOF on: an RDB file without append-only files becomes their base.
# Otherwise the server would start empty, and overwrite the RDB when it stops. data, aof: yes or no, trust_rdb: yes
# if the last redis.conf had AOF off, stamp.
set -euo pipefail
seed() { # data trust_rdb stamp
  umask 027
  cd "$1"
  local dir=appendonlydir manifest=appendonlydir/appendonly.aof.manifest there newest path
  [[ -s dump.rdb ]] || return 0
  [[ ! $dir/appendonly.aof.1.base.rdb -ef dump.rdb ]] || return 0 # done before
  # Redis 6 has one file beside the directory: a start without a manifest reads that.
  if [[ -e $manifest || -e appendonly.aof ]]; then
    there=()
    for path in "$dir" appendonly.aof; do [[ ! -e $path ]] || there+=("$path"); done
    newest=$(find "${there[@]}" -type f -name 'appendonly.aof*' ! -name '*.manifest' -newer dump.rdb -print -quit)
    # Files written to after the last RDB hold everything. Only an RDB that is newer than all of them, from a time when
    # AOF was off, holds more.
    [[ -z $newest && $2 == yes ]] || return 0
  fi
  [[ ! -d $dir ]] || mv -T "$dir" "$dir.kept-$3"
  mkdir -m 750 "$dir"
  ln dump.rdb "$dir/appendonly.aof.1.base.rdb"
  printf 'file appendonly.aof.1.base.rdb seq 1 type b\n' >"$dir/.manifest"
  sync "$dir/.manifest"
  mv -T "$dir/.manifest" "$manifest"
  sync "$dir"
  echo "seeded"
}
[[ $aof == yes && -d $data ]] || exit 0
as_user 900 bash -euo pipefail -c "$(declare -f seed); seed \"\$@\"" - "$data" "$trust_rdb" "$stamp"
