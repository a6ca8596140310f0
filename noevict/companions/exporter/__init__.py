"""prometheus-redis-exporter beside each Redis: what a host has of it, what it should have, and what is due.

======  ==========================================================================================================
target  where it listens, whom it asks and how, its files; ``WantedFile`` as for Redis
found   what a look at it found
plan    both -> changes, faults, notices; pure, as the two above
look    one host's exporter in a run
scrape  what Prometheus gets from it, and whether that is all
sd      what Prometheus reads on the controller: the list of targets and the alert rules
======  ==========================================================================================================
"""
