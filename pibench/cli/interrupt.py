"""Answers Ctrl-C with one sentence, which says what is kept and how to go on."""

from __future__ import annotations

import signal
import sys
from types import FrameType

RESUME = "finished cells are kept, run again with --resume"
KEPT = {
    "run": RESUME,
    "submit": "finished cells are kept, run the same command again",
    "costs": "measured costs are kept, run the same command again",
    "compress": "trained models are kept, run the same command again",
}
"""What each command keeps, and how to go on; the others keep nothing."""
STATUS = 128 + signal.SIGINT
"""The exit status of an interrupted command, as shells have it."""
SENTENCE = f"interrupted before the first cell: {RESUME}"


def sentence(command: str) -> str:
    """Return what an interrupted command says."""
    return f"interrupted: {KEPT[command]}" if command in KEPT else "interrupted"


def watch(command: str) -> None:
    """From now on, while libraries load, answer an interrupt with the command's sentence."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Stop(command))


def leave() -> None:
    """Let an interrupt raise ``KeyboardInterrupt`` again, for other code to handle."""
    if isinstance(signal.getsignal(signal.SIGINT), _Stop):
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Stop:
    def __init__(self, command: str) -> None:
        self._command = command

    def __call__(self, number: int, frame: FrameType | None) -> None:
        print(f"pibench: {sentence(self._command)}", file=sys.stderr)
        raise SystemExit(STATUS)
