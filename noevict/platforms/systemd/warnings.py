"""Finds what a run reports about a host without acting on it. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from noevict.directives.table import measured_after, problem
from noevict.machine import sysctl
from noevict.pki import validity
from noevict.pki.certificate import Certificate, UserCertificate
from noevict.pki.host_names import is_address
from noevict.platforms.systemd.found import InstanceState
from noevict.platforms.systemd.wanted import Target
from noevict.secrets.store import Secrets
from noevict.server.progress import loading
from noevict.server.space import COPIED, MIB, mib
from noevict.settings.model import Settings
from noevict.settings.validators import LOOPBACK, MOST_ADDRESSES


def notices(
    settings: Settings,
    state: InstanceState,
    target: Target,
    secrets: Secrets,
    user_certificate: UserCertificate | None,
    now: datetime,
) -> Iterator[str]:
    """Yield the notices, which are reported at the end of a run, and by ``noevict drift``."""
    if user_certificate is not None:
        ends = user_certificate.certificate.not_after
        if ends - now < timedelta(days=validity.RENEW_DAYS):
            yield f"redis_tls_cert: ends on {ends:%Y-%m-%d}: get a new one and run again"
    elif warning := secrets.ca.warning(now):
        yield warning
    yield from _exporter(state, now)
    yield from _addresses(settings, target)
    wrong = [
        value.sentence
        for value in sysctl.differences(state.machine.kernel)
        if value.name not in state.machine.kernel_writable
    ]
    if wrong:
        yield f"the kernel's settings cannot be written here (a container?): {'; '.join(wrong)}"
    if state.live.loading:
        _, how_far = loading(state.live.info)
        yield f"{target.layout.title} is loading its data{how_far}: nothing is changed before that is done"
    installed = state.release(target.layout)
    if state.live.ours and installed is not None and state.live.server not in (None, installed):
        yield f"{state.live.server} runs until its next restart, which starts the {installed} installed"
    evicted = state.live.number("evicted_keys")
    if evicted and state.live.ours:
        yield f"{evicted} keys were evicted since this server started: data was lost"
    yield from _not_taken_later(settings, target)
    yield from _headroom(settings, state, target)


def _addresses(settings: Settings, target: Target) -> Iterator[str]:
    """Report the addresses for redis_bind = "private" on this host if there are none, or if they may change."""
    if settings.bind_addresses is None and len(target.bind) == len(LOOPBACK):
        yield (
            f"no private address here: {target.layout.title} listens only on loopback; set redis_bind to an address, "
            'or to "loopback" if that is wanted'
        )
    if target.leased:
        name = settings.redis_address
        named = name is not None and not is_address(name)
        yield (
            f"listens on {', '.join(target.leased)}, leased by DHCP: after another lease run noevict again"
            + ("" if named else "; set redis_address to a name that follows the lease, for clients")
        )
    if target.unbound:
        more = f" and {len(target.unbound) - 3} more" if len(target.unbound) > 3 else ""
        yield (
            f"does not listen on {', '.join(target.unbound[:3])}{more}, leased: {target.layout.title} takes "
            f"{MOST_ADDRESSES} addresses at most; set redis_bind to the ones that clients use"
        )
    for address, other in target.lent:
        left = (
            "in the certificate"
            if settings.bind_addresses is not None
            else "listened on, nor in the certificate"
        )
        yield (
            f"has {address}, leased, which hosts.yml gives to {other}: it is not {left}; correct hosts.yml, or the "
            "DHCP server's lease"
        )


def _exporter(state: InstanceState, now: datetime) -> Iterator[str]:
    """Report the exporter's client certificate, which only deploys/monitoring.py renews."""
    found = Certificate.parse(state.exporter_certificate or "")
    if found is None:
        return
    left = found.not_after - now
    if left < timedelta(days=validity.RENEW_DAYS):
        yield f"the exporter's client certificate {validity.expiry(left)}: run deploys/monitoring.py, which renews it"
    elif validity.outlives(found):
        yield (
            f"the exporter's client certificate is valid for {left.days} more days, wherever clients need one: run "
            f"deploys/monitoring.py, which replaces it with one for {validity.DAYS} days"
        )


def _not_taken_later(settings: Settings, target: Target) -> Iterator[str]:
    """Report a value with which the server would not start, or that would be a mistake, after a release upgrade."""
    for name, value in settings.redis_config.items():
        later = (other for other in measured_after(target.server) if problem(name, value, other))
        if (other := next(later, None)) is not None:
            yield (
                f"redis_config: {name}: {other} does not accept {value}: set another value, or none, before this "
                "host's release is upgraded"
            )


def _headroom(settings: Settings, state: InstanceState, target: Target) -> Iterator[str]:
    """Report too little memory for a save: its fork copies each page that is written meanwhile."""
    copied = max(map(state.live.number, COPIED)) if state.live.ours else 0
    if target.maxmemory + copied <= state.memory:
        return
    room = state.memory - copied
    if settings.maxmemory_bytes is not None:
        less = f"set redis_maxmemory to {room // MIB}mb at most" if room >= MIB else ""
    else:
        less = f"set redis_maxmemory_percent to {room * 100 // state.memory} at most" if room >= MIB else ""
    saves = f" and the {mib(copied)} MiB that a save copied last are" if copied else " is"
    yield (
        f"memory may run out: maxmemory, {mib(target.maxmemory)} MiB,{saves} more than the {state.memory // MIB} MiB "
        f"that are here: {' or '.join(filter(None, (less, 'give this host more')))}"
    )
