"""What belongs to a Redis server, whoever runs it. Pure."""
