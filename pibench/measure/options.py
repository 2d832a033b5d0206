"""Values on a command line: what stands between commas, and numbers with a least value."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from pibench.errors import InputError

Number = TypeVar("Number", int, float)


def listed(option: str, text: str) -> list[str]:
    """Return the values of ``--option``, each once, without what is empty; :class:`InputError` if nothing is left."""
    values = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not values:
        raise InputError(f"--{option} is empty; give at least one, comma-separated")
    return values


def seeds(text: str) -> list[int]:
    """Return the values of ``--seeds``; raises :class:`InputError` for what is no whole number."""
    found = listed("seeds", text)
    for part in found:
        if not part.isdecimal():
            raise InputError(f"--seeds has {part!r}; give whole numbers such as 0,1,2")
    return list(dict.fromkeys(map(int, found)))


def at_least(least: Number, most: float = 1e6) -> Callable[[str], Number]:
    """Return what argparse takes as ``type``: a number of the kind of ``least``, from it to ``most``."""

    def parse(text: str) -> Number:
        try:
            value = type(least)(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most:.0f}")
        return value

    return parse
