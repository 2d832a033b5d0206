"""Answers Ctrl-C before the first cell, while libraries and data load, with one sentence."""

from __future__ import annotations

import signal
from types import FrameType

SENTENCE = "interrupted before the first cell: finished cells are kept, run again with --resume"


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(SENTENCE)


def watch() -> None:
    """From now on, answer an interrupt with one sentence."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def leave() -> None:
    """Let an interrupt raise ``KeyboardInterrupt`` again, for other code to handle."""
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
