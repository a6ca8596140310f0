"""One run: what all of its hosts share, one host in it, and what is kept afterwards."""
