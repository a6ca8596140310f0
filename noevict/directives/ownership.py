"""What noevict does with each directive: its names, and what decides its value. table.py builds the table."""

from typing import Literal

# plain: for redis_config. setting: has its own setting. managed: noevict sets it. secret: is a password. role: is about
# replicas or clusters. file-only: controls how the file is read, and is not in CONFIG GET.
Use = Literal["plain", "setting", "managed", "secret", "role", "file-only"]


def _each(pattern: str, new: str, *names: str) -> dict[str, str]:
    return {pattern.format(name): new.format(name) for name in names}


# Other name -> the name in the table. Servers take both; Directive.name_on returns the one that they write.
ALIASES = {
    "slaveof": "replicaof",
    "repl-ping-slave-period": "repl-ping-replica-period",
    "lua-time-limit": "busy-reply-threshold",
    "aof_rewrite_cpulist": "aof-rewrite-cpulist",
    "primaryauth": "masterauth",
    "primaryuser": "masteruser",
    "commandlog-execution-slower-than": "slowlog-log-slower-than",
    "commandlog-slow-execution-max-len": "slowlog-max-len",
    "list-max-ziplist-size": "list-max-listpack-size",
    **_each("hash-max-ziplist-{}", "hash-max-listpack-{}", "entries", "value"),
    **_each("zset-max-ziplist-{}", "zset-max-listpack-{}", "entries", "value"),
    **_each("min-slaves-{}", "min-replicas-{}", "to-write", "max-lag"),
    **_each("slave-{}", "replica-{}", "announce-ip", "announce-port", "ignore-maxmemory", "lazy-flush"),
    **_each("slave-{}", "replica-{}", "priority", "read-only", "serve-stale-data"),
    **_each("cluster-slave-{}", "cluster-replica-{}", "no-failover", "validity-factor"),
    **_each("{}_cpulist", "{}-cpulist", "server", "bio", "bgsave"),
}

# Directive -> the setting that decides its value.
SETTINGS = {
    "port": "redis_plaintext_port",
    "tls-port": "redis_port",
    "bind": "redis_bind",
    "maxmemory": "redis_maxmemory or redis_maxmemory_percent",
    "maxmemory-policy": "redis_maxmemory_policy",
    "save": "redis_save",
    "appendonly": "redis_appendonly",
    "appendfsync": "redis_appendfsync",
    "tls-auth-clients": "redis_tls_auth_clients",
}

# Directive -> why only noevict sets it.
MANAGED = {
    **dict.fromkeys(
        ("dir", "dbfilename", "appendfilename", "appenddirname"),
        "data under another name would be left behind",
    ),
    **dict.fromkeys(
        ("aclfile", "acl-pubsub-default"),
        "redis_users is where users are set",
    ),
    **dict.fromkeys(
        ("tls-cert-file", "tls-key-file", "tls-ca-cert-file", "tls-ca-cert-dir"),
        "redis_tls_cert, redis_tls_key and redis_tls_ca take other certificates",
    ),
    **dict.fromkeys(
        ("tls-client-cert-file", "tls-client-key-file", "tls-replication", "tls-cluster"),
        "a standalone server calls no other",
    ),
    **dict.fromkeys(
        ("supervised", "daemonize", "pidfile", "logfile"),
        "the service's unit relies on it",
    ),
    **dict.fromkeys(
        ("protected-mode", "enable-protected-configs", "enable-debug-command", "enable-module-command"),
        "it keeps a client from taking over the server",
    ),
    **dict.fromkeys(
        ("rdma-bind", "rdma-port", "rdma-rx-size", "rdma-completion-vector"),
        "RDMA is not encrypted",
    ),
    # The unit's SystemCallFilter excludes @resources and @privileged: the server, or each of its saves, is killed.
    **dict.fromkeys(
        ("server-cpulist", "bio-cpulist", "bgsave-cpulist", "aof-rewrite-cpulist"),
        "the package's unit kills a process that sets it; CPUAffinity= in a drop-in does the same",
    ),
    "unixsocketgroup": "the package's unit kills a server that sets it",
    **dict.fromkeys(("shutdown-on-sigterm", "shutdown-on-sigint"), "a stop saves what is in memory"),
    "import-mode": "it is for the time of an import only: keys do not expire in it",
}

SECRETS = frozenset({"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"})

# Besides these, everything that begins with one of ROLE_PREFIXES. With min-replicas-to-write, a server without replicas
# refuses every write.
ROLES = frozenset(
    {"replicaof", "masteruser", "min-replicas-to-write", "min-replicas-max-lag", "replica-priority"}
)
ROLE_PREFIXES = ("cluster-", "replica-announce", "slot-migration-")

# Directives that are not in CONFIG GET -> why they are refused.
FILE_ONLY = {
    "include": "CONFIG REWRITE copies what is included into the main file",
    "loadmodule": "modules are not supported",
    "loadmodule-ex": "modules are not supported",
    "rename-command": "redis_users is where commands are taken from users",
    "user": "redis_users is where users are set",
    "sentinel": "Sentinel is not supported",
}


def use_of(name: str) -> tuple[Use, str]:
    """Return the use of a directive (by its name in the table), and what a redis_config with it should be instead."""
    if name in SETTINGS:
        return "setting", f"left to the setting {SETTINGS[name]}"
    if name in FILE_ONLY:
        return "file-only", f"left out: {FILE_ONLY[name]}"
    if name in SECRETS:
        return "secret", "left out: no setting holds a password; users have theirs in secrets/users.yml"
    if name in ROLES or name.startswith(ROLE_PREFIXES):
        return "role", "left out: noevict sets up standalone servers and never changes a role"
    if name in MANAGED:
        return "managed", f"left to noevict: {MANAGED[name]}"
    return "plain", ""
