"""noevict: production Redis on hosts.

hosts.yml -> inventory -> settings -> one look at each host -> what is wanted -> plan -> operations -> verify

Each folder is a layer; LAYERS has their order: a layer imports from those before it.
"""

LAYERS = (
    ("messages", "errors", "urgency", "terminal", "templates", "private_files", "queues"),
    ("engines", "directives", "redisconf", "acl", "inventory", "settings", "pki", "secrets"),
    ("plan", "machine", "server", "fleet", "platforms.systemd"),
    ("scripts", "client", "ssh", "run", "companions.exporter"),
    ("operations.data", "operations", "drift"),
    ("monitor.health", "monitor.asking", "monitor.web", "monitor.terminal"),
    ("console", "cli"),
)
