"""The command ``pibench``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pibench import interrupt  # noqa: F401 (first: the rest takes seconds to load)
from pibench.commands import compare, compress, cost, doctor, listing, party, plan, run, submit
from pibench.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 for failed cells, 2 for bad input, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser("pibench", description="Benchmarks of private transformer inference.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for module in (run, submit, listing, compare, cost, compress, plan, doctor, party):
        module.add(commands)
    chosen, rest = parser.parse_known_args(arguments)
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
