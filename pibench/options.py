"""What stands between commas on a command line."""

from __future__ import annotations

from pibench.errors import InputError


def listed(option: str, text: str) -> list[str]:
    """Return the values of ``--option``, without what is empty; raises :class:`InputError` if nothing is left."""
    values = [part.strip() for part in text.split(",") if part.strip()]
    if not values:
        raise InputError(f"--{option} is empty; give at least one, comma-separated")
    return values


def seeds(text: str) -> list[int]:
    """Return the values of ``--seeds``; raises :class:`InputError` for what is no whole number."""
    found = listed("seeds", text)
    for part in found:
        if not part.isdecimal():
            raise InputError(f"--seeds has {part!r}; give whole numbers such as 0,1,2")
    return [int(part) for part in found]
