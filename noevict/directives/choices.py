"""The values that noevict gives to directives: its own, and the values of settings."""

from noevict.directives.ownership import SETTINGS

# noevict's own choices, which redis_config may change: those that differ from a server's default, and those
# that a reader of the file looks for.
CHOICES = {
    # a client that is gone without a word is noticed in two minutes, and idle connections outlive the 350 s
    # and less that cloud firewalls give them
    "tcp-keepalive": "60",
    "timeout": "0",  # workers that wait for jobs are idle by trade
    "tcp-backlog": "511",  # nginx's and the servers' own; the kernel's somaxconn is set to at least that
    "maxclients": "10000",  # below the unit's LimitNOFILE
    # forward secrecy and authenticated encryption for TLS 1.2, as Mozilla's intermediate list; 1.3 has no others
    "tls-protocols": "TLSv1.2 TLSv1.3",
    "tls-ciphers": "ECDHE+AESGCM:ECDHE+CHACHA20",
    "loglevel": "notice",
    "databases": "16",
    # all clients' buffers together: beyond it the largest client is disconnected, where otherwise jobs would be
    # refused for want of memory
    "maxmemory-clients": "10%",
    # workers read big replies at their own pace; a subscriber that does not read must not fill the memory
    "client-output-buffer-limit": "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
    # large keys are freed beside the commands, not during one (Valkey's default)
    "lazyfree-lazy-eviction": "yes",
    "lazyfree-lazy-expire": "yes",
    "lazyfree-lazy-server-del": "yes",
    "lazyfree-lazy-user-del": "yes",
    "lazyfree-lazy-user-flush": "yes",
    "stop-writes-on-bgsave-error": "yes",  # an error that clients see beats jobs that are not saved
    "rdbcompression": "yes",
    "no-appendfsync-on-rewrite": "no",  # `yes` would lose up to 30 s of jobs during a rewrite
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "64mb",
    "aof-use-rdb-preamble": "yes",  # loads several times as fast
    "aof-load-truncated": "yes",  # after a power cut: start with all but the half-written last command
    "latency-monitor-threshold": "100",  # milliseconds; LATENCY DOCTOR then knows what a slow moment was
    "latency-tracking-info-percentiles": "50 99 99.9",
}

# directive -> the setting that is its value; the other two are computed for each host
FROM_SETTINGS = {name: setting for name, setting in SETTINGS.items() if name not in ("bind", "maxmemory")}
