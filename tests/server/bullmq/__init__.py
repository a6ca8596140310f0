"""The programs that run BullMQ, and the versions of it."""

from pathlib import Path

HERE = Path(__file__).parent
