"""noevict: production Redis on hosts.

The way of the data, and of the imports, is one way, from the top of this list to its end:

=======================================================  ===========================================================
errors, wording                                          what a user's mistake is answered with
urgency                                                  what is to be seen to first, in every list
engine, rdb                                              Redis and Valkey: packages, releases, their data
terminal                                                 tables and text, on a terminal and in a pipe
templates                                                templates/, rendered with the values given alone
strict_yaml, hosts_file, pyinfra_keys, inventory         hosts.yml and group_data, with pyinfra's precedence
kinds, lists, directive_uses, directives, values         every redis.conf directive: kind, default, how it changes
users_file                                               users.yml: passwords, and what is beside them in it
acl_rules, acl, acl_check, acl_live                      ACL users: profiles, rules, comparison by meaning
queues                                                   BullMQ's queues and their keys
writes                                                   whether a server takes writes; why not, what to do
setting_kinds, settings                                  the checked settings of one host
alerts                                                   what Prometheus is given
certificates, host_names                                 certificates as they are read; which host has which name
private_files, host_passwords, pki                       a host's own passwords; keys and certificates
secrets                                                  the controller's secrets/: passwords, CA, certificates
tls                                                      whom a client trusts, and its own certificate
watch                                                    monitoring: who is well, over kept connections
conf_reader, conf                                        the text of redis.conf: read, rendered, compared
console                                                  ``noevict cli``: a client at a terminal
state, emptied                                           what one look at a host found; a server without its keys
patience, room                                           waiting for what large data takes; room for a copy of it
changes, password_moves                                  what is to change; a host's own passwords on their way there
target, access, listening                                what should be, and what differs
other_fleets, kernel, foreign                            whose a host is; what others set up there
refusals, faults, notices                                what is refused, not ours to repair, or said
certificate_changes, succession, plan                    Settings + HostState -> what is due; nothing else decides
findings, reports                                        what is due, told: a table, JSON, JUnit XML, a page of HTML
ssh_words, command_line                                  which hosts pyinfra's command names; its exit code
transport                                                the SSH connection
login_shell, commands                                    commands on a host, in bounded time, in a known environment
streams, wire, client                                    bytes through that connection; Redis over them
scripts, facts, lock                                     what runs on hosts; the one look; one run at a time
lane, turns                                              hosts beside each other: none waits long for another
shell                                                    scripts run on a host of a run, and what is said of it
fleet, reach, run                                        all hosts of a run, one host in it, the way to its Redis
kept                                                     what runs keep of a host; whether it takes writes
loading, verify                                          waiting for its data; the host as a client sees it
exporter                                                 Prometheus' exporter beside Redis, but for the changes
operations                                               the changes (pyinfra operations)
preview, monitoring, drift, accept, cli                  what deploys do first; ``noevict drift``; the command
=======================================================  ===========================================================

Everything above ``transport`` but ``watch`` is plain Python that touches no host.
"""
