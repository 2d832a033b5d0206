"""The one exception for anything a user can put right."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec

P = ParamSpec("P")


class InputError(ValueError):
    """Bad input: its text is one sentence that says what is wrong, where, and what to do."""


def one_sentence(main: Callable[P, int]) -> Callable[P, int]:
    """Let a command's ``main`` end with status 2 on bad input, after saying on stderr what is wrong."""

    @functools.wraps(main)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    return wrapped


def pick(kind: str, name: str, known: Iterable[str]) -> str:
    """Return ``name`` if it is known.

    Raises:
        InputError: it is not; the sentence lists what is, and the nearest match.
    """
    known = list(known)
    if name in known:
        return name
    near = difflib.get_close_matches(name.lower(), known, n=1)
    advice = f"did you mean {near[0]!r}? Known are" if near else "use one of"
    raise InputError(f"unknown {kind} {name!r}: {advice} {', '.join(known)}")
