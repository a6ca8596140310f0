"""Who runs a server: each platform has what was found, what is wanted, and how they compare."""
