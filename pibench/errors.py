"""The one exception for everything that a user can fix."""

from __future__ import annotations

import difflib
import errno
import functools
import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec

P = ParamSpec("P")
_MANY = 30
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class InputError(ValueError):
    """Bad input: its text is one sentence that says what is wrong, where, and what to do."""


def one_sentence(main: Callable[P, int], name: str = "error") -> Callable[P, int]:
    """Let a command's ``main`` end with one sentence on stderr for bad input (status 2) and output that nobody takes.

    A character that the terminal cannot show becomes a question mark. A full disk behind stdout is status 1; a reader
    such as ``head`` that has closed it is 0. The sentence begins with ``name``.
    """

    @functools.wraps(main)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
        show_any_text()
        try:
            try:
                return main(*args, **kwargs)
            finally:
                if sys.stdout:  # None where it is closed
                    sys.stdout.flush()
        except InputError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 2
        except BrokenPipeError:
            _discard_output()
            return 0
        except OSError as error:
            if error.errno not in _FULL or error.filename is not None:
                raise
            _discard_output()
            print(f"{name}: cannot write the output ({error.strerror}): free some space", file=sys.stderr)
            return 1

    return wrapped


def show_any_text() -> None:
    """From now on, print a question mark for each character that stdout's encoding lacks, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _discard_output() -> None:
    """Send what is still to be printed nowhere, so that Python does not fail on it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
