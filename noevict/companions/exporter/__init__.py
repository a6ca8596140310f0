"""prometheus-redis-exporter beside each Redis: what a host has, what it should have, and which changes are due.

=========  ==========================================================================================================
wanted     where it listens, whom it asks and how, its files; ``WantedFile`` as for Redis
found      what a look at the host found
plan       compares both: changes, faults, notices; pure, as the two above
look       one host's exporter in a run
scrape     what Prometheus gets from it, and whether that is complete
discovery  what Prometheus reads on the controller: the list of targets and the alert rules
=========  ==========================================================================================================
"""
