"""Monitoring: who is well. Nothing in here imports pyinfra or gevent, which it must live beside and without.

records   what runs leave behind for it: when a host was last looked at for drift, and last backed up
health    what a server answered -> healthy, degraded or unhealthy, and why
history   evictions of the last hour, from counters that restart
targets   where each host's Redis is, and what a login there takes
wire      Redis over TLS, as asyncio speaks it
poll      hosts asked every few seconds over kept connections
watched   a host that is asked again and again, and its last hour
roster    which hosts these are, while hosts.yml may change
fleet     all of them
metrics   what Prometheus cannot learn from the exporter
answers   what programs are told, as JSON
card      what people are shown of a host
html      the page
service   all of it over HTTP
host_names, connections, open_files, log_limit   what whoever reaches its port may take of it
serve     that as a process
status    the fleet on a terminal, or in a pipe
live      on a terminal, anew with every answer
"""
