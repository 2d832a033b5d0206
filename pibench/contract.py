"""All that a method has to know: what it is given, what it gives back, and how it describes itself.

A method receives a fine-tuned dense model and returns a cheaper private model for the same task, or a
:class:`Skip` that says why it does not apply. It never sees the validation split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

    from pibench.model import Model
    from pibench.tasks.glue import Task

Lowering = Literal["fair", "stock"]
Recovery = Literal["distill", "finetune"]
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


@dataclass(frozen=True)
class Budget:
    """What every method may spend; the same for all of them.

    ``examples`` caps the training examples of one epoch; ``tolerance`` is the accuracy loss a search may
    accept, in points; ``recovery`` is how a compressed model is trained back.
    """

    epochs: int = 3
    examples: int = 10_000
    batch_size: int = 32
    learning_rate: float = 5e-5
    tolerance: float = 2.3
    recovery: Recovery = "distill"
    seed: int = 0


@dataclass(frozen=True)
class Split:
    """Tokenised examples: unpadded token and segment ids, and one label each (int64, or float32 for scores)."""

    input_ids: tuple[tuple[int, ...], ...]
    token_type_ids: tuple[tuple[int, ...], ...]
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    def first(self, count: int) -> Split:
        """Return the first ``count`` examples."""
        return Split(self.input_ids[:count], self.token_type_ids[:count], self.labels[:count])


@dataclass(frozen=True)
class TaskData:
    """What a method may look at: the training split, and a selection split cut from train for every choice.

    ``source`` is ``glue`` or ``sample``; ``fingerprint`` is a hash of the texts and labels behind the splits.
    Costs are measured at ``seq_len`` tokens. ``scratch`` is a folder for what a method need not do twice, if any.
    """

    task: Task
    train: Split
    selection: Split
    pad_id: int
    source: str
    fingerprint: str
    seq_len: int = 128
    scratch: Path | None = None


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
