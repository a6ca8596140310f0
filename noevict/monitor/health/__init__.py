"""Judges by a server's answers whether it is healthy, degraded or unhealthy, and why. Pure."""
