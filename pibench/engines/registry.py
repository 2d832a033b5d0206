"""Engines by name, from the entry-point group ``pibench.engines``; in-tree engines use the same door as plugins."""

from __future__ import annotations

from operator import call

from pibench.engines.engine import Engine
from pibench.errors import InputError, pick
from pibench.plugins import imported, registered

GROUP = "pibench.engines"


def names() -> list[str]:
    """Return the names of all registered engines, sorted, the lean engine first."""
    return sorted({entry.name for entry in registered(GROUP)}, key=lambda name: (name != "lean", name))


def get(name: str) -> Engine:
    """Import and return an engine.

    Raises:
        InputError: the name is unknown or used twice, its plugin does not import, or it is no :class:`Engine`.
    """
    pick("engine", name, names())
    first, *others = [entry for entry in registered(GROUP) if entry.name == name]
    if others := [other for other in others if other.value != first.value]:
        raise InputError(
            f"two plugins register the engine {name!r}: {first.value} and {others[0].value}; uninstall one"
        )
    engine = imported("engine", name, first, call)
    if not isinstance(engine, Engine) or engine.name != name:
        raise InputError(f"engine {name!r} ({first.value}) is no Engine of that name; see pibench.engines.engine")
    return engine
