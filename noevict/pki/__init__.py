"""Parses and makes certificates, and the TLS contexts of clients."""
