"""Limits the log, so that strangers who reach the service cannot fill the disk."""

import logging

from noevict.monitor.asking.fleet import Credit

# Lines at once, and lines a second after that. A host's change of status is one line, a fleet's are as many as hosts.
OWN = (1000, 1.0)
# What uvicorn and asyncio log about clients, and tracebacks.
OTHERS = (10, 1 / 60)


class LogLimit(logging.Filter):
    """Lets through so many lines of a kind; the next line says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, bool], tuple[Credit, list[int]]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, record.levelno, bool(record.exc_info))
        if kind not in self._kinds:
            most, rate = OWN if record.name == "noevict" and not record.exc_info else OTHERS
            self._kinds[kind] = (Credit(rate, most), [0])
        credit, left_out = self._kinds[kind]
        if not credit.take(1):
            left_out[0] += 1
            return False
        if left_out[0]:
            record.msg = f"{record.getMessage()} (lines like this left out before: {left_out[0]})"
            record.args, left_out[0] = (), 0
        return True
