"""What a run costs, and what clients feel of it, side by side with what it is compared with.

===========  ==========================================================================
measured     commands side by side in interleaved rounds; the targets beside what was found
clean_run    a run that has nothing to do, against the floor: one command over SSH
gaps         what clients feel of each kind of remediation: gaps in service, connections
===========  ==========================================================================

``python -m benchmarks`` measures both and writes results.md.
"""
