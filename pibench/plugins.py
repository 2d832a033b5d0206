"""Bring in what a plugin registers, or say in one sentence why that fails."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

from pibench.errors import InputError


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
