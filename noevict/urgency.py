"""What somebody has to act on first: the order of hosts, and of what is wrong with them, in every report."""

from enum import StrEnum


class Urgency(StrEnum):
    """The most urgent comes first. The value is what a reader sees beside the host."""

    STOPPED = "stopped"  # nothing listens: no client is served
    REFUSES_WRITES = "refuses writes"
    FAILED = "failed"  # the host could not be looked at, or is left alone
    UNHEALTHY = "unhealthy"  # clients cannot work, for any other reason
    DEGRADED = "degraded"  # clients cannot work for long, or lose data
    DRIFT = "drift"  # the host is not as the settings say
    HEALTHY = "healthy"

    @property
    def rank(self) -> int:
        """The rank; 0 is the most urgent."""
        return list(Urgency).index(self)

    @property
    def css_class(self) -> str:
        """The class on pages of HTML: ``refuses-writes``."""
        return self.replace(" ", "-")

    @property
    def needs_somebody_now(self) -> bool:
        return self.rank <= Urgency.UNHEALTHY.rank


def urgency(status: str, *, stopped: bool, refuses_writes: bool) -> Urgency:
    """Return the urgency of a server. ``status`` is its health: healthy, degraded or unhealthy."""
    if stopped:
        return Urgency.STOPPED
    return Urgency.REFUSES_WRITES if refuses_writes else Urgency(status)


def most_urgent(*found: Urgency) -> Urgency:
    """Return the most urgent of these; HEALTHY if there are none."""
    return min(found, key=lambda each: each.rank, default=Urgency.HEALTHY)
