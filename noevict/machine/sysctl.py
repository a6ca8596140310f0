"""The kernel's values: which are not as wanted, and which another file would change. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from noevict.machine.found import Sysctl

SYSCTL = "/etc/sysctl.d/60-noevict.conf"  # the file that sets them at a boot
# somaxconn: at least that; it is the kernel's default since 5.4.
KERNEL = {"overcommit": 1, "somaxconn": 4096}
TITLES = {"overcommit": "vm.overcommit_memory", "somaxconn": "net.core.somaxconn"}


@dataclass(frozen=True)
class Value:
    """A value that is not as wanted. ``file``: the file that sets it after ours; "" if it is the value in force."""

    name: str
    found: int
    wanted: int
    file: str = ""

    @property
    def title(self) -> str:
        return TITLES[self.name]

    @property
    def sentence(self) -> str:
        return f"{self.title} is {self.found}, should be {self.wanted}"


def differences(kernel: Mapping[str, int]) -> Iterator[Value]:
    """Yield the values in force that are not as wanted."""
    for name, wanted in KERNEL.items():
        found = kernel.get(name)
        if found is not None and not _fine(name, found):
            yield Value(name, found, wanted)


def overridden(later: Sequence[Sysctl]) -> Iterator[Value]:
    """Yield wrong values in files that are read after ours: each boot would set them."""
    for name, wanted in KERNEL.items():
        entries = [each for each in later if each.name == name]
        if entries and not _fine(name, entries[-1].value):
            yield Value(name, entries[-1].value, wanted, entries[-1].path)


def _fine(name: str, value: int) -> bool:
    """Whether a value is good enough: for somaxconn, more is fine too."""
    return value == KERNEL[name] if name == "overcommit" else value >= KERNEL[name]
