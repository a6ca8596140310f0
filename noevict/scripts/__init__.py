"""The bash scripts that run on hosts. The first lines of each name its variables."""

import base64
import functools
import shlex
from collections.abc import Mapping
from pathlib import Path

from noevict.engines.package_layout import LAYOUTS, STATE_DIRECTORY, Layout
from noevict.machine.read import END
from noevict.machine.sysctl import SYSCTL
from noevict.server.listening import kernel_names

_HERE = Path(__file__).parent
# The fields of a Layout that the look at a server uses.
_LOOKED_AT = (
    *("package", "unit", "user", "binary", "etc", "conf", "data", "logfile", "pidfile", "dropin"),
    *("modules", "last_good", "takeover", "exporter_etc", "exporter_credentials"),
)


def script(name: str, **variables: str | int) -> str:
    """Return the text of NAME.sh after the assignments of its variables, quoted.

    It is sent on standard input, so that no list of processes shows a value.
    """
    return "\n".join([*_assignments(variables), (_HERE / f"{name}.sh").read_text()])


def _assignments(variables: Mapping[str, str | int]) -> list[str]:
    return [f"{variable}={shlex.quote(str(value))}" for variable, value in variables.items()]


@functools.cache  # every host of a fleet with the same engine and ports is sent the same text
def look_script(layouts: tuple[Layout, ...], ports: tuple[int, int]) -> str:
    """Return the look at a machine, at its server of the first layout, and at the other servers that noevict manages.

    ``ports``: the first server's ports for TLS and for plaintext, 0 if there is none.
    """
    wanted, *others = layouts
    packages = dict.fromkeys(name for layout in layouts for name in (layout.package, layout.tools))
    calls = [_look_at(wanted, ports, other=others[0].dropin if others else "")]
    for layout in others:
        calls += [f"if [[ -e {layout.dropin} ]]; then", _look_at(layout, ports, other=wanted.dropin), "fi"]
    machine = script(
        "look_machine", packages=" ".join((*packages, "openssl", "iproute2")), root_files=STATE_DIRECTORY
    )
    functions = (script("look_files"), script("look_others"), script("look_instance"))
    return "\n".join([machine, *functions, *calls, f'say "{END}"'])


def _look_at(layout: Layout, ports: tuple[int, int], other: str) -> str:
    variables: dict[str, str | int] = {name: getattr(layout, name) for name in _LOOKED_AT}
    more: dict[str, str | int] = {
        "acl": layout.aclfile,
        "sysctl": SYSCTL,
        "other": other,
        "port": ports[0],
        "plaintext_port": ports[1],
    }
    return "\n".join([*_assignments({**variables, **more}), "look_instance"])


def throwaway_server(layout: Layout) -> str:
    """Return what goes before a script that starts a throwaway server and asks it something."""
    names = script("throwaway_server", binary=layout.binary, cli=layout.cli, user=layout.user)
    return script("as_user", user=layout.user) + names


def apt() -> str:
    """Return the script that goes before one that installs something."""
    servers = " ".join(layout.package for layout in LAYOUTS.values())
    return script("apt", servers=servers, state=STATE_DIRECTORY)


def confirm_peer(layout: Layout, address: str, port: int) -> str:
    """Return the script that prints "yes" if the server is at the other end of noevict's connection to that socket."""
    names = script("main_pid", unit=layout.unit, user=layout.user, pidfile=layout.pidfile)
    return names + script("confirm_peer", sockets=" ".join(kernel_names(address, port)))


def packed(text: str) -> str:
    """Encode a whole file for a variable: `base64 -d` returns the same bytes."""
    return base64.b64encode(text.encode()).decode()
