"""Every directive of redis.conf: its kind, its default, how it changes, and who may set it."""
