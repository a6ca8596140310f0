# Append-only files of an earlier time, which turning AOF on would delete: kept under another name. data, stamp.
set -euo pipefail
cd "$data"
dir=appendonlydir
if [[ -d $dir && $(ls -A "$dir") ]]; then
  mv -T "$dir" "$dir.kept-$stamp"
  sync .
  echo "$data/$dir.kept-$stamp"
fi
