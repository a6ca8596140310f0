"""Services that run beside a server."""
