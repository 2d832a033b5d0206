"""Counts all training that a method does, also that of models which it does not return."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from torch import nn

from pibench.model.module import Model
from pibench.model.spent import Spent


@dataclass
class Count:
    """All that was spent since the count began."""

    total: Spent = field(default_factory=Spent)


_CURRENT: ContextVar[Count | None] = ContextVar("count", default=None)


@contextmanager
def counted() -> Iterator[Count]:
    """Count the training inside; a count that is under way outside stops until the end."""
    count = Count()
    token = _CURRENT.set(count)
    try:
        yield count
    finally:
        _CURRENT.reset(token)


def add_to_count(spent: Spent) -> None:
    """Add to the count that is under way, if there is one."""
    if count := _CURRENT.get():
        count.total += spent


def spend(trained: nn.Module, spent: Spent) -> None:
    """Count what was spent on every model in ``trained``, and in all."""
    for model in models_in(trained):
        model.spent += spent
    add_to_count(spent)


def models_in(trained: nn.Module) -> list[Model]:
    """Return the models among the modules of ``trained``."""
    return [part for part in trained.modules() if isinstance(part, Model)]
