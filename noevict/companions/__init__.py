"""What stands beside a server."""
