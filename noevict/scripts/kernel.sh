# Kernel values, of which somaxconn is a minimum. overcommit, somaxconn.
set -euo pipefail
echo "$overcommit" >/proc/sys/vm/overcommit_memory
(($(cat /proc/sys/net/core/somaxconn) >= somaxconn)) || echo "$somaxconn" >/proc/sys/net/core/somaxconn
