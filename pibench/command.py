"""The command ``pibench``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pibench import interrupt  # noqa: F401 (first: the rest takes seconds to load)
from pibench.errors import InputError

MODULES = {
    "run": "run",
    "submit": "submit",
    "list": "listing",
    "compare": "compare",
    "explain": "compare",
    "cost": "cost",
    "compress": "compress",
    "plan": "plan",
    "doctor": "doctor",
    "party": "party",
}
"""Where each command is: only the one that is asked for is loaded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 for failed cells, 2 for bad input, 130 for Ctrl-C."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser("pibench", description="Benchmarks of private transformer inference.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    named = [MODULES[name] for name in given[:1] if name in MODULES]
    for module in named or dict.fromkeys(MODULES.values()):
        import_module(f"pibench.commands.{module}").add(commands)
    chosen, rest = parser.parse_known_args(given)
    try:
        return chosen.run(chosen, rest)
    except InputError as error:
        print(f"pibench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
