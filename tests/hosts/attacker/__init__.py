"""A program of its own: what somebody who has become the server's user does beside a run of noevict.

It is copied to a host and runs there as that user, in or outside the unit's namespaces, until its standard input ends:
one process for each of its ROLES. Wherever root acts by name in a directory of the server's user, something else is
under that name half of the time. What it could read, write or take goes into FOUND, a line each; what it moved aside
is back at its end.

    python3 -m attacker ENGINE FOUND MARK PID ROLE...

It starts as root and becomes that user first of all: the unit runs no programs but the server's, and what was broken
into needs none. PID: of the server whose namespaces it is in; 0 is outside.
"""
