"""Certificates: parsed, made, and what a client trusts."""
