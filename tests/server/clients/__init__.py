"""The clients of docs/clients.md: for each a program that uses what its lines there set up, and the versions."""

from pathlib import Path

HERE = Path(__file__).parent
