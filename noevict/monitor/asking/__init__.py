"""Servers asked every few seconds over kept connections."""
