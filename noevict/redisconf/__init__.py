"""The text of redis.conf: parsed, rendered, compared."""
