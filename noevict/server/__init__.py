"""A Redis server, whichever platform runs it: what it reports, and what follows from that. Pure."""
