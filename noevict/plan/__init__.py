"""What is due on a host, in typed fields."""
