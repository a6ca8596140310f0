"""Every directive of redis.conf: its kind, its default, how it is changed, and who may set it."""
