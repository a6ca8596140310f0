"""``noevict cli``: redis-cli's job, over the connection that clients have, with no password on a command line.

redis-cli itself does not check that the certificate is the host's, takes history into a file, and is not there on every
machine that deploys. iredis (1.16) pins releases of redis-py and others that noevict is newer than, writes a history
file, and cannot be given a CA.

The replies are not read by redis-py: it returns a status and a text as the same bytes, so that ``OK`` and ``"OK"``
would look alike, and an error without its first word (``ERR``).
"""
