# Before others: the system user, as the package would make it; the package then takes it as it is. user, data.
set -euo pipefail
export LC_ALL=C
getent passwd "$user" >/dev/null ||
  useradd --system --no-create-home --user-group --home-dir "$data" --shell /usr/sbin/nologin "$user"

