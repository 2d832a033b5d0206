"""What argparse takes as a type: numbers with a least and a largest value."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def at_least(least: Number, most: float = 1e6) -> Callable[[str], Number]:
    """Return what reads a number of the kind of ``least``, from it to ``most``."""

    def parse(text: str) -> Number:
        try:
            value = type(least)(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most:.0f}")
        return value

    return parse
