"""Changes to the data: append-only files, saves, what happens before a server stops."""
