# What hand_over.sh did under that stamp, undone; neither server is running. source, target: as there; stamp.
set -euo pipefail
for name in appendonlydir dump.rdb appendonly.aof; do
  [[ -e $source/$name.moved-$stamp ]] || continue
  # The new server did not come up on its copy; it is kept all the same.
  [[ ! -e $target/$name ]] || mv -T "$target/$name" "$target/$name.kept-$stamp"
  mv -T "$source/$name.moved-$stamp" "$source/$name"
done
sync "$source" "$target"
