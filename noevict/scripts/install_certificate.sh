# Put a key, its certificate and its CA in place, all in one rename: tls is a link of root's to a directory of root's, and
# then leads to the new directory. user, etc, tls, new: the directory that request.sh made; certificate, ca, key: base64,
# key empty if request.sh made it.
set -euo pipefail
export LC_ALL=C
umask 077
roots() { [[ $(stat -c %u "$1") == 0 ]]; }
# In /etc/redis only root's entries are safe from being replaced: any other tls is never used.
made_here() { [[ -L $1 && $(readlink "$1") =~ ^tls-[0-9A-Za-z]+$ || ! -L $1 && -d $1 ]]; }
if [[ -e $tls || -L $tls ]] && ! { roots "$tls" && made_here "$tls"; }; then
  echo "$tls: should be root's own, made by noevict: find out who put it there, move it away, then run again"
  [[ $new != "$etc"/tls-* || -L $new ]] || rm -rf "$new"
  exit 1
fi
cd "$new"
[[ $(pwd -P) == "$new" && $new == "$etc"/tls-* ]] || exit 1
roots .
put() { # name mode content
  base64 -d >"$1" <<<"$3"
  chmod "$2" "$1"
}
[[ -z $key ]] || put server.key 640 "$key"
put server.crt 644 "$certificate"
put ca.crt 644 "$ca"
chmod 640 server.key
# Copy other files that somebody keeps there. Only an entry of root's is safe to read: any other may have been replaced by a
# link to anywhere by now.
if [[ -d $tls ]] && roots "$tls" && roots "$tls/." && (( (8#$(stat -c %a "$tls/.") & 022) == 0 )); then
  for path in "$tls"/*; do
    [[ ! -e $path || -e ${path##*/} ]] || cp -a "$path" .
  done
fi
chgrp -h "$user" server.key server.crt ca.crt
sync server.key server.crt ca.crt .
ln -s "${new##*/}" .link
if [[ -d $tls && ! -L $tls ]]; then
  # A directory from before noevict used a link. If two names cannot be exchanged here, tls is missing for a moment.
  # shellcheck disable=SC2016
  perl -MConfig -e '
    my %number = (x86_64 => 316, i386 => 353, i686 => 353, arm => 382, aarch64 => 276, riscv64 => 276, loongarch64 => 276,
      powerpc64le => 357, s390x => 347);
    my ($arch) = $Config{archname} =~ /^([^-]+)/;
    exit !($number{$arch} && syscall($number{$arch}, -100, $ARGV[0], -100, $ARGV[1], 2) == 0)' "$new/.link" "$tls" || {
    old=$(mktemp -d "$etc/tls-XXXXXXXXXX")
    mv -T "$tls" "$old" && mv -T .link "$tls"
    : >"$old/.noevict"
  }
else
  mv -fT .link "$tls"
fi
rm -rf .link # the earlier directory, if they were exchanged
sync "$etc"
for path in "$etc"/tls-*; do
  [[ $path == "$new" || -L $path || ! -f $path/.noevict ]] || rm -rf "$path"
done
