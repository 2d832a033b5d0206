"""The contract of a method: what it receives, what it returns, and how it describes itself.

A method receives a fine-tuned dense model and returns a cheaper private model for the same task, or a
:class:`Skip` that says why it does not apply. It never sees the validation split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pibench.tasks.data import TaskData
from pibench.training.budget import Budget

if TYPE_CHECKING:
    from pibench.model.module import Model

QUANTITIES = ("accuracy", "communication", "latency")
"""The quantities that a paper may report; each is a column of the table ``reported``."""


@dataclass(frozen=True)
class Variant:
    """One row of a method; ``options`` are the method's own settings, as JSON types."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodInfo:
    """How a method describes itself in tables and records.

    ``reported`` holds the paper's own numbers by quantity (see :data:`QUANTITIES`), as text with their setting; they
    enter no ratio. ``ablations`` take the method apart: they are measured in a separate study, and appear in no other
    table.
    """

    name: str
    version: str
    summary: str
    paper: str
    bibtex: str
    variants: tuple[Variant, ...]
    reported: Mapping[str, str] = field(default_factory=dict)
    ablations: tuple[Variant, ...] = ()


@dataclass(frozen=True)
class Skip:
    """A method's answer where it does not apply."""

    reason: str


@runtime_checkable
class Method(Protocol):
    """A plugin: a class without constructor arguments, registered under the entry-point group ``pibench.methods``.

    A method may offer more, for certain studies: see :mod:`pibench.methods.studies`. What it wants recorded
    goes into ``Model.notes``: a search leaves its :class:`pibench.methods.trajectory.Trajectory` there.
    """

    info: MethodInfo

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model | Skip:
        """Return a private model for the task of ``data``, or say why there is none."""
        ...
