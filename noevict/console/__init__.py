"""``noevict cli``: redis-cli's job, over the connection that clients have, with no password on a command line.

redis-cli itself does not check that the certificate is the host's, takes history into a file, and is not there on every
machine that deploys. iredis (1.16) pins releases of redis-py and others that noevict is newer than, writes a history
file, and cannot be given a CA.
"""
