"""What a run costs, and what clients feel of it, side by side with what it is compared with.

============  ==========================================================================
measured      commands side by side in interleaved rounds; the targets beside what was found
clean_run     a run that has nothing to do, against the floor: one command over SSH
provisioning  the first run on fresh hosts, against apt-get over plain SSH
ansible       the same job by Ansible, and with mitogen: the playbook is ours
environment   what comes from PyPI only for that
latency       a clean run over a long way: a proxy that delays and counts round trips
scale         clean runs over up to 2,000 hosts; many_hosts is the server that stands for them
gaps          what clients feel of each kind of remediation: gaps in service, connections
server        the server that noevict sets up against the distribution's own, under load
directives    one directive changed at a time: what each choice costs and buys
============  ==========================================================================

``python -m benchmarks`` measures all but the last and writes results.md; ``python -m benchmarks.directives`` that one,
and writes directives.md. contestants and loads are what server and directives are made of.
"""
