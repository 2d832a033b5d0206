"""Types for argparse: numbers with a smallest and a largest value."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def at_least(least: Number, most: float = 1e6) -> Callable[[str], Number]:
    """Return a parser of numbers of the type of ``least``, from ``least`` to ``most``."""

    def parse(text: str) -> Number:
        try:
            value = type(least)(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most:.0f}")
        return value

    return parse
