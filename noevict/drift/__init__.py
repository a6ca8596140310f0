"""``noevict drift``: compares every host, and reports as a table, JSON, JUnit XML or HTML."""
