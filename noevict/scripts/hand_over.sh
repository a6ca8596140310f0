# Give one engine's data to the other; neither server is running. source, target: their data directories; user: of the new one;
# kind: aof or rdb; stamp. What the old one had stays beside, renamed: it has nothing left to start with by mistake.
set -euo pipefail
umask 077
# What is handed over comes last: as long as the old one has it, this can be done again.
names=(appendonly.aof dump.rdb appendonlydir)
[[ $kind == aof ]] || names=(appendonly.aof appendonlydir dump.rdb)
for name in "${names[@]}"; do
  [[ ! -e $target/$name ]] || { mv -T "$target/$name" "$target/$name.kept-$stamp" && echo "kept $target/$name.kept-$stamp"; }
done
new=$(mktemp -d "$target/.noevict.XXXXXXXX")
trap 'rm -rf "$new"' EXIT
# A base and an RDB are written once: a link does, the new one's, that the old one's group can read. What is appended to is
# the new one's own.
group=$(stat -c %G "$source")
share() { if ln "$1" "$2" 2>/dev/null; then chown "$user:$group" "$2"; else cp "$1" "$2" && chown "$user:$user" "$2"; fi && chmod 640 "$2"; }
own() { cp "$1" "$2" && chown "$user:$user" "$2" && chmod 640 "$2" && sync "$2"; }
if [[ $kind == aof && -d $source/appendonlydir ]]; then
  mkdir "$new/appendonlydir"
  for file in "$source"/appendonlydir/*; do
    case $file in *.base.*) share "$file" "$new/appendonlydir/${file##*/}" ;; *) own "$file" "$new/appendonlydir/${file##*/}" ;; esac
  done
  chown "$user:$user" "$new/appendonlydir"
  chmod 750 "$new/appendonlydir"
  sync "$new/appendonlydir"
  mv -T "$new/appendonlydir" "$target/appendonlydir"
elif [[ -e $source/dump.rdb ]]; then
  share "$source/dump.rdb" "$new/dump.rdb"
  mv -T "$new/dump.rdb" "$target/dump.rdb"
fi
sync "$target"
for name in "${names[@]}"; do
  [[ ! -e $source/$name ]] || { mv -T "$source/$name" "$source/$name.moved-$stamp" && echo "moved $source/$name.moved-$stamp"; }
done
sync "$source"
