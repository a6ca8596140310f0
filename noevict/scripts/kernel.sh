# Kernel values, of which somaxconn is a minimum. overcommit, somaxconn.
set -euo pipefail
echo "$overcommit" >/proc/sys/vm/overcommit_memory
backlog=/proc/sys/net/core/somaxconn # not in every container
[[ ! -e $backlog ]] || (($(cat $backlog) >= somaxconn)) || echo "$somaxconn" >$backlog
