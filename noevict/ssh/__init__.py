"""Runs commands on a host: in bounded time, in a known environment, one run at a time."""
