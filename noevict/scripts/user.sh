# Goes before others: make the system user as the package would; the package then uses it as it is. user, data.
set -euo pipefail
export LC_ALL=C
getent passwd "$user" >/dev/null ||
  useradd --system --no-create-home --user-group --home-dir "$data" --shell /usr/sbin/nologin "$user"

