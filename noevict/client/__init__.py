"""Redis over TLS, directly or through SSH."""
