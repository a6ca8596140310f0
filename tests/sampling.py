"""Chooses by name which of many similar cases `make test` runs; `make test-long` runs all of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def selected_cases(request: pytest.FixtureRequest, fixture: str) -> set[str]:
    """Return the parameters of a fixture, or of tests, that this run uses in the module: the others need no host."""
    found = (getattr(item, "callspec", None) for item in request.session.items if item.path == request.path)
    return {str(call.params[fixture]) for call in found if call is not None and fixture in call.params}


def sample(cases: Mapping[str, Any] | Iterable[str], *chosen: str) -> list[Any]:
    """Return parameters for ``pytest.mark.parametrize``; the cases that are not ``chosen`` by name are marked long.

    ``cases``: name -> parameter, or names that are parameters themselves. Raise ValueError if a chosen name is not a
    case, or none is chosen: `make test` would leave all cases out.
    """
    named = dict(cases) if isinstance(cases, Mapping) else {name: name for name in cases}
    if not chosen or (missing := set(chosen) - named.keys()):
        raise ValueError(f"no such cases: {sorted(missing) if chosen else 'none is chosen'}")
    return [
        pytest.param(case, id=name, marks=() if name in chosen else pytest.mark.long)
        for name, case in named.items()
    ]
