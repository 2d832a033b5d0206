"""Engines by name, from the entry-point group ``pibench.engines``: lean first, then the others, sorted."""

from __future__ import annotations

from collections.abc import Callable

from pibench.engines.engine import Engine
from pibench.errors import InputError
from pibench.plugins import Registry

HEADLINE = "lean"
"""The engine that speed-ups and reductions refer to; rows on other engines name theirs."""


def _made(engine: Callable[[], Engine]) -> Engine:
    made = engine()
    title = getattr(made, "title", None)
    if isinstance(made, Engine) and (not isinstance(title, str) or not title.strip()):
        raise InputError(f"its title in tables is {title!r}: give a text")
    return made


ENGINES: Registry[Engine] = Registry(
    "engine",
    "pibench.engines",
    Engine,  # type: ignore[type-abstract]
    make=_made,
    named=lambda engine: engine.name,
    first=HEADLINE,
)
"""Every registered engine; an engine is a class without constructor arguments, and is created when first used."""


def title_of(name: str) -> str:
    """Return an engine's name in tables; for one that is not installed, the name in its records."""
    return ENGINES[name].title if name in ENGINES else name
