"""Find and bring in what plugins register, or say in one sentence why that fails."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any

from pibench.errors import InputError


def registered(group: str) -> list[EntryPoint]:
    """Return all entry points of a group.

    Raises:
        InputError: an installed package's metadata cannot be read.
    """
    try:
        return list(entry_points(group=group))
    except Exception as error:  # importlib lets through whatever damage leads to
        broken = [name for distribution in distributions() if (name := _unreadable(distribution))]
        raise InputError(
            f"the entry points of {', '.join(broken) or 'an installed package'} cannot be read "
            f"({type(error).__name__}): repair or uninstall it"
        ) from error


def _unreadable(distribution: Distribution) -> str | None:
    try:
        list(distribution.entry_points)
    except Exception:
        return repr(distribution.name)
    return None


def imported(kind: str, name: str, entry: EntryPoint, make: Callable[[Any], Any] | None = None) -> Any:
    """Return the ``kind`` called ``name``: what ``entry`` holds, or what ``make`` makes of that.

    Raises:
        InputError: either raised.
    """
    try:
        found = entry.load()
        return make(found) if make else found
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{kind} {name!r} ({entry.value}) failed to import: {type(error).__name__}: {reason}; "
            "repair or uninstall its plugin"
        ) from error
