"""``noevict cli``: does redis-cli's job, over TLS as clients do, with no password on a command line.

redis-cli does not check that the certificate is the host's, writes its history into a file, and is not installed on
every machine that deploys. iredis (1.16) pins older releases of redis-py and others than noevict needs, writes a
history file, and cannot be given a CA.

The replies are not parsed by redis-py: it returns a status and a text as the same bytes, so that ``OK`` and ``"OK"``
would look alike, and it drops the first word of an error (``ERR``).
"""
