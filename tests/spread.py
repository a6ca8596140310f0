"""Of many cases alike, which ones `make test` runs: chosen by name; `make test-long` runs all."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def of_this_run(request: pytest.FixtureRequest, fixture: str) -> set[str]:
    """The parameters of a fixture, or of tests, that this module's tests of this run have: the others need no host."""
    found = (getattr(item, "callspec", None) for item in request.session.items if item.path == request.path)
    return {str(call.params[fixture]) for call in found if call is not None and fixture in call.params}


def spread(cases: Mapping[str, Any] | Iterable[str], *chosen: str) -> list[Any]:
    """Parameters for ``pytest.mark.parametrize``: those not ``chosen`` by name are marked long.

    ``cases``: name -> parameter, or names that are parameters themselves. Raises ValueError where a chosen name is
    no case: a spread that names nothing would leave the cases out altogether.
    """
    named = dict(cases) if isinstance(cases, Mapping) else {name: name for name in cases}
    if not chosen or (missing := set(chosen) - named.keys()):
        raise ValueError(f"no such cases: {sorted(missing) if chosen else 'none is chosen'}")
    return [
        pytest.param(case, id=name, marks=() if name in chosen else pytest.mark.long)
        for name, case in named.items()
    ]
