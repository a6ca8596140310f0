"""Every setting of noevict, with its default: the manual.

Do not change it here. A value for all hosts of a group goes into group_data/GROUP.py (`redis_port = 6380`), a
value for one host below its name in hosts.yml (`redis_port: 6380`). A host's own value wins over its groups',
the last group in hosts.yml over those before it, and all of them over this file. In hosts.yml, quote "yes" and
"no": YAML reads them as true and false.
"""

# --- The server ---------------------------------------------------------------------------------------------

# "redis" or "valkey", from the distribution's own packages. Redis 7.0 and Valkey 8 are the oldest supported;
# Debian 12 has no Valkey. If you change it on a host that noevict manages, all its keys come along, and the host
# serves nobody for a moment: docs/changing-the-engine.md.
redis_engine = "redis"

# --- Network ------------------------------------------------------------------------------------------------

# The port that speaks TLS, 1 to 65535.
redis_port = 6379

# A second port, without TLS, for clients that cannot speak it; 0 is none.
# TLS costs 20 to 25 % of the single commands a second, and 14 % of pipelined SETs (benchmarks/directives.md).
# HAZARD: passwords and data cross the network in clear. Use it only for a take-over, until every client speaks TLS.
redis_plaintext_port = 0

# The addresses to listen on. "private" is loopback and the host's own private ones (10.0.0.0/8, 172.16.0.0/12,
# 192.168.0.0/16, fc00::/7), without container bridges and without temporary addresses. "loopback" is only loopback. Or
# addresses as redis.conf takes them, in a string or a list: "127.0.0.1 -::1 10.0.0.5"; "* -::*" is every address; a
# leading "-" means "if the host has it". At most 16.
# Under "private", addresses that the host has by DHCP or from a router are optional ("-10.0.0.5"): a start waits for
# them, 60 seconds at most, and then continues without. After another lease the next run changes bind and certificate,
# without a restart; until then nobody reaches Redis there. Set redis_address to a name that follows the lease.
# HAZARD: on a public address anyone may try passwords. noevict manages no firewall.
redis_bind = "private"

# The DNS name or address that clients use, if it is not the one SSH uses. The certificate covers it, and
# `noevict url` prints it. Example: "cache.internal.example.com".
redis_address = None

# How noevict itself reaches Redis: "ssh" goes through the SSH connection and needs no open port; "direct"
# connects to the host's port, for hosts whose sshd carries nothing else.
redis_connect = "ssh"

# --- Memory -------------------------------------------------------------------------------------------------

# maxmemory, as a percentage (1 to 95) of the RAM detected: the smallest of the machine's, any cgroup limit, and
# the unit's MemoryMax; rounded down to whole MiB. The rest is for what a fork copies while saving, for clients'
# buffers, and for the system.
# HAZARD: above 80 with many writes, a save may need more than there is, and the kernel kills the server. Each run
# warns if the last save copied more than is left.
redis_maxmemory_percent = 80

# An absolute size instead; it wins over the percentage. "1600mb", "2gb" (1024s; "m" and "g" are 1000s), or
# bytes as a number; 1mb at least.
# HAZARD: below the memory in use, every write fails with OOM until enough is deleted.
redis_maxmemory = None

# What happens when memory is full. "noeviction": writes fail with an error that the application sees. Any other
# policy of redis.conf (allkeys-lru, allkeys-lfu, allkeys-random, volatile-lru, volatile-lfu, volatile-random,
# volatile-ttl) is refused unless redis_allow_eviction is True.
# HAZARD: any other deletes keys without a warning: jobs, sessions, locks.
redis_maxmemory_policy = "noeviction"

# True: yes, all that this server holds is a cache, and keys may vanish. Full memory raises no alarm there then.
redis_allow_eviction = False

# --- Persistence --------------------------------------------------------------------------------------------

# RDB snapshots: pairs of seconds and changes. "3600 1 300 100" saves after an hour with one change, and after
# five minutes with a hundred. "" is no RDB. A snapshot of 200,000 keys kept a write waiting for 4 ms.
# HAZARD: with "", and redis_appendonly False, a restart would lose everything: refused.
redis_save = "3600 1 300 100 60 10000"

# The append-only file (AOF): every write goes into it. It costs 3 % of the SETs a second, 32 % of pipelined ones, and
# nothing of GETs (benchmarks/directives.md).
# HAZARD: False loses, in a crash, all that came after the last snapshot. If you turn it on over existing data by
# hand, in redis.conf, the server starts empty; noevict turns it on live.
redis_appendonly = True

# When the AOF reaches the disk: "everysec" (a crash loses a second), "always" (nothing; each write waits for
# the disk: less than half of the SETs a second), "no" (when the kernel sees fit, up to half a minute; hardly faster
# than "everysec").
redis_appendfsync = "everysec"

# --- TLS ----------------------------------------------------------------------------------------------------

# Whether clients need a certificate as well as a password: "no", "yes" (mutual TLS; `noevict cert NAME` issues
# one), "optional".
# HAZARD: "yes" turns away every client that has none, at once.
redis_tls_auth_clients = "no"

# More names and addresses for the certificate. It always covers the name in hosts.yml, ssh_hostname,
# redis_address, the host's own names, localhost, and the addresses bound. A name that this file or hosts.yml gives to
# one host is signed for another only if it is given to that one too. Example: ["queue.example.com"].
redis_tls_names = []

# A certificate of your own instead of one from the fleet's CA: its PEM files on this machine, with paths relative to
# the directory of `inventory`. Set all three or none: the certificate with its chain, its key without a passphrase, and
# the CA by which clients and noevict check it.
# HAZARD: noevict does not renew it; each run warns from 30 days before its end.
redis_tls_cert = None
redis_tls_key = None
redis_tls_ca = None

# --- Users and everything else ------------------------------------------------------------------------------

# ACL users beside "admin" (noevict's own), "app" (queues, caches, sessions, locks, pub/sub on all keys; nothing that
# blocks, empties or reconfigures the server), "health" (only PING and INFO: `noevict serve`) and "exporter"
# (what prometheus-redis-exporter asks). User -> profile ("app", "readonly", "admin", "health", "exporter"), or a
# profile limited to keys and channels, or rules as in ACL SETUSER. An entry for one of the four replaces its rights.
# noevict makes passwords, in secrets/users.yml; admin, health and exporter have other passwords on each host. A profile
# limited to keys loads no functions: all other users' FCALL would run them.
# Example:
#     redis_users = {
#         "reports": "readonly",
#         "shop": {"profile": "app", "keys": ["shop:*"], "channels": ["shop:*"]},
#         "sweeper": "~cache:* -@all +scan +unlink +ttl +type",
#     }
# HAZARD: "default" is off. An entry for it lets clients in that send a password without a user's name, as old
# ones do. It must be a user that may write everywhere ("app", "admin"): Redis loads its AOF with these rights, and
# would leave out other users' transactions and scripts.
redis_users = {}

# Any other directive of redis.conf -> its value; True and False mean yes and no. Directives that have a setting of
# their own, or that carry a password or a role (requirepass, masterauth, replicaof, cluster-enabled, ...), are
# refused. noevict also manages every directive that is named nowhere: it keeps the server's own default.
# Example: {"hz": 50, "client-output-buffer-limit": "pubsub 64mb 16mb 60"}.
# On 2 cores, shared with the clients, {"io-threads": 2} costs a third of the single commands a second, and {"hz": 100}
# buys nothing: both stay at the server's default. More cores were not measured. benchmarks/directives.md has others.
# Debian's servers cannot defragment memory while they run (activedefrag): they are built with Debian's own jemalloc.
# HAZARD: a directive that cannot be changed live (databases, io-threads, ...) takes a restart.
redis_config = {}

# --- Monitoring ---------------------------------------------------------------------------------------------

# The BullMQ queues whose lengths monitoring shows. "email" is the queue whose keys begin with `bull:email:`; a name
# with a colon is the whole prefix: "shop:email", or "{bull}:email" with a cluster's hash tag. It changes nothing on a
# host. Example: ["email", "shop:invoices"].
redis_queues = []

# The port of the exporter that deploys/monitoring.py sets up beside Redis, 1 to 65535; not a port of Redis. It listens
# on one of the addresses that Redis listens on: the one clients use, else a private one; on all if Redis does.
# HAZARD: it asks for no password. Whoever reaches it reads metrics (names of queues and numbers, no key and no value),
# and can make it connect to other addresses: let only Prometheus through your firewall.
redis_exporter_port = 9121

# The beginning of links to runbooks, in alerts and on the page of `noevict serve`: a URL under which your people read
# docs/runbooks, or its path (the page then links to its own copy). One for all hosts.
# Example: "https://git.example.com/ops/noevict/-/blob/main/docs/runbooks".
redis_runbooks = "docs/runbooks"

# --- What noevict may do ------------------------------------------------------------------------------------

# True: take over a Redis that noevict did not set up, even if it holds keys or has clients. Without it such a
# host is refused, with a report of what would change for them. No key is lost.
# HAZARD: clients need TLS and a user's password from then on; redis_plaintext_port, and "default" in
# redis_users, let them stay. Put the server's present password into secrets/users.yml as `takeover`: for
# all hosts, or for each by its name, with a user's name if the server has ACL users (docs/taking-over.md).
redis_takeover = False

# How many hosts may be restarting at a time, 1 to 1000. If one does not come back, no other is restarted.
redis_restart_at_once = 1
