"""All that a method has to know: what it is given, what it gives back, and how it describes itself.

A method receives a fine-tuned dense model and returns a cheaper private model for the same task, or a
:class:`Skip` that says why it does not apply. It never sees the validation split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pibench.tasks.data import TaskData
from pibench.training.budget import Budget

if TYPE_CHECKING:
    from pibench.model.module import Model

Lowering = Literal["fair", "stock"]
QUANTITIES = ("accuracy", "communication", "latency")
"""What a paper may report, and what the table ``reported`` has a column for."""


@dataclass(frozen=True)
class Variant:
    """One row of a method.

    ``lowering`` names how the engine turns primitives into protocol steps: ``fair`` is the best lowering we
    have, ``stock`` is what the engine ships with. ``options`` are the method's own settings.
    """

    name: str
    lowering: Lowering = "fair"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodInfo:
    """How a method describes itself in tables and records.

    ``reported`` holds the paper's own numbers by quantity (see :data:`QUANTITIES`), as text with their setting; they
    enter no ratio. ``ablations`` take the method apart: they are measured by themselves, and are rows of no other
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

    Studies use more of a method where it has it: ``importance_study`` (benchmarks/test_importance.py),
    ``language_rungs``, ``compared_rungs`` and ``learn_language`` (test_language.py), ``reported_costs``
    (test_decoder_costs.py).
    """

    info: MethodInfo

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model | Skip:
        """Return a private model for the task of ``data``, or say why there is none."""
        ...
