"""One run: what its hosts share, each machine and server in it, and what it keeps for the next run."""
