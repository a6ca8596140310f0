"""Changes that are due on a host, in typed fields."""
