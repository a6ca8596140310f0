"""Formats figures for people: sizes, times, and the last hour as a line."""

from collections.abc import Sequence
from datetime import timedelta

from noevict.monitor.health.history import POINTS

LEAST_POINTS = 10  # five minutes of a line: fewer points are specks
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(number: int) -> str:
    """Return ``1.2 GiB``."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 100 or not unit else f"{value:.1f} {_UNITS[unit]}"


def sizes(used: int, most: int) -> str:
    """Return ``0.31 of 1.56 GiB``: both in one unit, the largest in which both can be read."""
    power = min(len(_UNITS) - 1, (max(most, used).bit_length() - 1) // 10)
    while power and used and used < 1024**power / 100:
        power -= 1
    return f"{_short(used / 1024**power)} of {_short(most / 1024**power)} {_UNITS[power]}"


def _short(value: float) -> str:
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def span(time: timedelta) -> str:
    """Return ``3 h``: a whole number, ``0 s`` at least."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def path(points: Sequence[float | None], most: float) -> str:
    """Return an SVG path through the points, 100 wide and 20 high, with gaps; "" if there are only a few points.

    A point between two gaps is a short dash.
    """
    parts, before = [], False
    if sum(value is not None for value in points) < LEAST_POINTS:
        return ""
    for number, value in enumerate(points):
        if value is None:
            before = False
            continue
        x, y = 100 * number / POINTS, 20 - 19 * min(1.0, value / most if most else 0.0)
        parts.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}{'' if before else 'h.8'}")
        before = True
    return "".join(parts)
