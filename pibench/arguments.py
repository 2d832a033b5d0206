"""What the values of command-line options may be: types for argparse, which refuse all others in one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Number = TypeVar("Number", int, float)


def at_least(least: Number, most: float = 1e6) -> Callable[[str], Number]:
    """Return a parser of numbers of the type of ``least``, from ``least`` to ``most``."""
    kind = "a whole number" if isinstance(least, int) else "a number"

    def parse(text: str) -> Number:
        try:
            value = type(least)(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind} from {least} to {most:.0f}")
        return value

    return parse


seed = at_least(0, 2**32 - 1)
"""A seed in the range that torch, NumPy and Python have in common."""


def words(text: str) -> str:
    """Return a text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty: give it a value, or leave it out")
    return text


def path(text: str) -> Path:
    """Return a file or folder; a leading ``~`` is the home folder, also where the shell leaves it as it is."""
    try:
        return Path(words(text)).expanduser()
    except RuntimeError as error:  # there is no such user, or no home folder
        raise argparse.ArgumentTypeError(f"{text!r} has no home folder: write the path in full") from error


def checkpoint(text: str) -> str:
    """Return a backbone's name; a leading ``~`` is the home folder."""
    return str(path(text)) if text.startswith("~") else words(text)
