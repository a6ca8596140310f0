"""Parses, renders and compares the text of redis.conf."""
