"""``noevict status``: on a terminal, or in a pipe."""
