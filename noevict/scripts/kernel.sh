# Set the kernel values that can be set here; somaxconn is a minimum. overcommit, somaxconn.
set -euo pipefail
memory=/proc/sys/vm/overcommit_memory
[[ ! -w $memory ]] || echo "$overcommit" >$memory
backlog=/proc/sys/net/core/somaxconn # not in every container
[[ ! -w $backlog ]] || (($(cat $backlog) >= somaxconn)) || echo "$somaxconn" >$backlog
