"""Check a plugin, a method or an engine: ``pibench check-plugin NAME``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from pibench.checks import engine, method
from pibench.engines.registry import ENGINES
from pibench.errors import InputError, one_sentence, pick
from pibench.methods.registry import METHODS
from pibench.net.processes import PartyFailed


def check(name: str, log: Callable[[str], None] = print) -> bool:
    """Check the method or engine of that name; return whether it meets its contract.

    Raises:
        InputError: there is no such method or engine, or it does not load.
    """
    pick("method or engine", name, [*METHODS, *ENGINES])
    if name in METHODS:
        return method.check(name, log)
    try:
        return engine.check(name, log)
    except PartyFailed as error:
        raise InputError(f"the parties of the engine {name!r} did not start: {error}") from error


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 where a check failed, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="pibench check-plugin", description="Check that methods and engines meet their contracts."
    )
    parser.add_argument("name", nargs="+", help="entry-point name of a method or an engine")
    good = [check(name) for name in parser.parse_args(argv).name]
    return int(not all(good))
