"""The one exception for everything that a user can fix."""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec

P = ParamSpec("P")
_MANY = 30


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
        except BrokenPipeError:
            return reader_is_gone()

    return wrapped


def reader_is_gone() -> int:
    """Silence stdout after its reader, such as ``head``, has closed it; return the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def one_line(error: BaseException, longest: int | None = None) -> str:
    """Return the type and the text of an error as one line; the text is cut after ``longest`` characters."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:longest]}"


def pick(kind: str, name: str, known: Iterable[str]) -> str:
    """Return ``name`` if it is known.

    Raises:
        InputError: it is not; the sentence names the nearest matches and the first known names.
    """
    known = list(known)
    if name in known:
        return name
    near = [one for one in known if name and name in one][:3] or difflib.get_close_matches(name.lower(), known, n=1)
    listed = ", ".join(known[:_MANY]) + (f" and {len(known) - _MANY} more" if len(known) > _MANY else "")
    advice = f"did you mean {' or '.join(map(repr, near))}? Known are" if near else "use one of"
    raise InputError(f"unknown {kind} {name!r}: {advice} {listed}")
