"""The platforms that run servers: each has what was found, what is wanted, and the comparison of both."""
