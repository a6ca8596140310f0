"""The kernel's values: which are not as wanted, and what another file would make of them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from noevict.machine.found import Sysctl

KERNEL = {"overcommit": 1, "somaxconn": 4096}  # somaxconn: at least; the kernel's own default since 5.4
TITLES = {"overcommit": "vm.overcommit_memory", "somaxconn": "net.core.somaxconn"}


@dataclass(frozen=True)
class Value:
    """One that is not as wanted. ``file``: the one that sets it so after ours; "" is the value in force."""

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
    """Of the values in force."""
    for name, wanted in KERNEL.items():
        found = kernel.get(name)
        if found is not None and not _fine(name, found):
            yield Value(name, found, wanted)


def overridden(later: Sequence[Sysctl]) -> Iterator[Value]:
    """Of what the files that are read after ours say: each boot would set that."""
    for name, wanted in KERNEL.items():
        said = [each for each in later if each.name == name]
        if said and not _fine(name, said[-1].value):
            yield Value(name, said[-1].value, wanted, said[-1].path)


def _fine(name: str, value: int) -> bool:
    """Of somaxconn, more is as good."""
    return value == KERNEL[name] if name == "overcommit" else value >= KERNEL[name]
