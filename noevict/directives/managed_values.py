"""The values that noevict gives to directives, live and in redis.conf: its own defaults, and the values of settings."""

from noevict.directives.ownership import SETTINGS

# noevict's defaults, which redis_config may change: they differ from the server's default, or readers of the file look
# for them.
NOEVICT_DEFAULTS = {
    # a client that vanished is noticed within two minutes, and idle connections survive cloud firewalls, which drop
    # them after 350 s or less
    "tcp-keepalive": "60",
    "timeout": "0",  # workers that wait for jobs are idle
    "tcp-backlog": "511",  # the default of nginx and of the servers; the kernel's somaxconn is set to at least that
    "maxclients": "10000",  # below the unit's LimitNOFILE
    # forward secrecy and authenticated encryption for TLS 1.2, as in Mozilla's intermediate list; 1.3 has no others
    "tls-protocols": "TLSv1.2 TLSv1.3",
    "tls-ciphers": "ECDHE+AESGCM:ECDHE+CHACHA20",
    "loglevel": "notice",
    "databases": "16",
    # all clients' buffers together: beyond it the largest client is disconnected; otherwise jobs would be refused
    # because memory is full
    "maxmemory-clients": "10%",
    # workers may read big replies slowly; a subscriber that does not read must not fill the memory
    "client-output-buffer-limit": "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
    # large keys are freed in the background, not during a command (Valkey's default)
    "lazyfree-lazy-eviction": "yes",
    "lazyfree-lazy-expire": "yes",
    "lazyfree-lazy-server-del": "yes",
    "lazyfree-lazy-user-del": "yes",
    "lazyfree-lazy-user-flush": "yes",
    "stop-writes-on-bgsave-error": "yes",  # an error that clients see is better than jobs that are not saved
    "rdbcompression": "yes",
    "no-appendfsync-on-rewrite": "no",  # `yes` would lose up to 30 s of jobs during a rewrite
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "64mb",
    "aof-use-rdb-preamble": "yes",  # loads several times as fast
    "aof-load-truncated": "yes",  # after a power cut: start with all but the half-written last command
    "latency-monitor-threshold": "100",  # milliseconds; LATENCY DOCTOR can then explain a slow moment
    "latency-tracking-info-percentiles": "50 99 99.9",
}

# directive -> the setting with its value; bind and maxmemory are computed for each host
FROM_SETTINGS = {name: setting for name, setting in SETTINGS.items() if name not in ("bind", "maxmemory")}
