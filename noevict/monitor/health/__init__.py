"""What a server answered -> healthy, degraded or unhealthy, and why. Pure."""
