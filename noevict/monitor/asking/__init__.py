"""Asks servers every few seconds, over connections that stay open."""
