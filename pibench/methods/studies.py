"""What a method may offer besides compression; a study includes every method that offers what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pibench.methods.contract import MethodInfo
from pibench.model.architecture import Architecture
from pibench.tasks.data import TaskData

if TYPE_CHECKING:
    from pibench.model.module import Model
    from pibench.tasks.text import TextData
    from pibench.training.language import LanguageBudget


@runtime_checkable
class StudiesImportance(Protocol):
    """A method that can say how stable the importance of attention heads is (``studies/test_importance.py``)."""

    def importance_study(self, dense: Sequence[Model], data: Sequence[TaskData]) -> list[dict[str, Any]]:
        """Return the study's rows, as JSON types, for dense models of one task and their data, one per seed."""
        ...


@runtime_checkable
class LearnsLanguage(Protocol):
    """A method with decoders that it trains from scratch on text (``benchmarks/studies/test_language.py``).

    ``configurations`` are the names of its decoders; those that are ``compared`` are trained with every seed, the
    others with the first alone.
    """

    info: MethodInfo
    configurations: Sequence[str]
    compared: Sequence[str]

    def learn_language(self, configuration: str, data: TextData, budget: LanguageBudget) -> dict[str, Any]:
        """Train the decoder of that name and return its results, as JSON types."""
        ...


class ReportedDecoder(Protocol):
    """A decoder that a paper reports costs of."""

    layers: int
    seq_len: int

    def architecture(self, layers: int) -> Architecture:
        """Return the decoder with ``layers`` layers."""
        ...

    def report(self) -> dict[str, Any]:
        """Return what the paper reports, as JSON types."""
        ...


@runtime_checkable
class ReportsDecoderCosts(Protocol):
    """A method whose paper reports what decoders cost (``benchmarks/studies/test_decoder_costs.py``)."""

    reported_costs: Sequence[ReportedDecoder]
