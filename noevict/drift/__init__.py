"""``noevict drift``: every host compared, and the report as a table, JSON, JUnit XML or HTML."""
