"""noevict: production Redis on hosts.

The way of the data, and of the imports, is one way, from the top of this list to its end:

======================  ====================================================================
errors                  the one exception whose text is the answer to a user's mistake
engine                  Redis and Valkey: what their packages name and place; a server's version
inventory               hosts.yml and group_data, with pyinfra's precedence
directives, values      every redis.conf directive: kind, default, how it changes, canonical text
acl                     ACL users: profiles, rules, comparison by meaning
settings                the checked settings of one host
secrets, pki            the controller's secrets/: passwords, the fleet's CA, certificates
conf                    the text of redis.conf: read, rendered, compared
state                   what one look at a host found
plan                    Settings + HostState -> the changes that are due; nothing else decides
streams, client         bytes to a host through the SSH connection there is; Redis over them
facts                   the one look (pyinfra fact)
operations              the changes (pyinfra operations)
verify                  the host as a client sees it
cli                     the ``noevict`` command
======================  ====================================================================

Everything above ``streams`` is plain Python that touches no host.
"""
