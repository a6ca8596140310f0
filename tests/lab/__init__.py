"""Real hosts on one machine: Debian under systemd-nspawn, reached over SSH at addresses of their own.

======================  ====================================================================
machine                 this machine: its packages, locks, programs, processes
images                  one base image a Debian release, built once and shared read-only
cgroups                 a control group for each host, so that hosts do not meddle with each other
registry                which labs there are on this machine; their bridges; clearing them away
disk                    what a host has on its disk before it boots
host                    one host: boot, run, write, reboot, kill
lab                     hosts on one bridge, with keys and a hosts file
checkout                a fresh copy of the repository, and the user's commands run in it
servers                 the server binaries of every supported release, without a host
======================  ====================================================================

Only the standard library is needed. ``python -m tests.lab`` is the command.
"""
