"""The interface of an engine: what it predicts and promises, and the parties that run a model.

An engine registers a class without constructor arguments under the entry-point group ``pibench.engines``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from pibench.errors import InputError
from pibench.model.architecture import Architecture
from pibench.model.module import Model
from pibench.tasks.data import Split

DealerKind = Literal["first-party", "third-party"]
"""Where the dealer of correlated randomness runs: at party 0, or in a separate process."""


@dataclass(frozen=True)
class Cost:
    """Bytes of both directions, sequential rounds, and products of secret numbers."""

    bytes: int = 0
    rounds: int = 0
    multiplications: int = 0
    client_only: int = 0
    """The part of ``bytes`` that the client sends while the server sends nothing."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Cost)))


@dataclass(frozen=True)
class Prediction:
    """What one inference costs by operator, and the correlated randomness that it uses up.

    ``offline_elements`` counts correlated elements, ``offline_bytes`` the bytes of all tuples if they were sent.
    """

    costs: Mapping[str, Cost]
    offline_elements: int
    offline_bytes: int

    def total(self) -> Cost:
        """Return the sum over all operators."""
        return sum(self.costs.values(), Cost())


@dataclass
class Inference:
    """What the parties measured in one inference.

    ``logits`` are the revealed ones; ``seconds`` are those of the slower party, and ``compute_seconds``, outside the
    communicator, those of the busier one. ``bytes_sent`` is by party, ``costs`` by operator; ``rounds`` is None if the
    engine does not report it. ``profile`` holds the server's wall seconds of each operator and how many of them were
    spent on the wire; ``peak_memory`` is the largest of any party, in bytes; ``offline_seconds`` is how long the tuples
    took if they were made before the clock started, and ``wraps`` counts truncation wraps if they were audited.
    """

    logits: np.ndarray
    seconds: float
    bytes_sent: list[int]
    rounds: int | None
    compute_seconds: float | None = None
    costs: dict[str, Cost] = field(default_factory=dict)
    profile: dict[str, tuple[float, float]] = field(default_factory=dict)
    peak_memory: int | None = None
    offline_seconds: float | None = None
    wraps: int | None = None


@dataclass(frozen=True)
class Session:
    """Where the parties are, and how long one waits for another.

    ``deadline`` is the longest wait for one answer, in seconds; ``port`` a TCP port on loopback, or any free one.
    With ``listen`` (``HOST:PORT``) and ``certificates`` party 1 connects from another machine. ``models_at_once``
    models are kept loaded, to compare them.
    """

    deadline: float = 600.0
    port: int | None = None
    dealer: DealerKind = "first-party"
    listen: str | None = None
    certificates: Path | None = None
    models_at_once: int = 2


class Parties(ABC):
    """Running parties; use as a context manager."""

    @property
    def peer(self) -> dict[str, Any] | None:
        """The other machine, if a party runs on one, as records describe machines."""
        return None

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *raised: object) -> None: ...

    @abstractmethod
    def load(self, name: str, model: Model) -> None:
        """Share ``model`` between the parties under ``name``; only the server is given its weights.

        A model that is already loaded stays loaded; if there is no room, the oldest one is dropped.
        """

    @abstractmethod
    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> Inference:
        """Run one batch of a loaded model.

        Only the client is given ``embedded`` (batch, seq, hidden; float32) and ``keep`` (batch, seq; int64). With
        ``audit`` truncation wraps are counted if the engine can, which may slow the run down and break its secrecy.

        Raises:
            PartyFailed: a party died, raised or missed its deadline.
        """


class Engine(ABC):
    """An engine: its name, its security model, its predictions, and how its parties start."""

    name: ClassVar[str]
    """Its name in records and on the command line."""
    title: ClassVar[str]
    """Its name in tables."""
    round_trips: ClassVar[float | None] = None
    """Round trips of the network that one round takes; None where its rounds are not known."""

    @property
    def settings(self) -> dict[str, Any] | None:
        """The settings that decide bytes, rounds and precision, as plain JSON types; None if there are none."""
        return None

    def missing(self) -> str | None:
        """Return what is missing and must be installed, as one sentence, or None if nothing is."""
        return None

    def check(self, session: Session) -> None:
        """Prepare for ``session``, before the first cell runs.

        Raises:
            InputError: something is not installed, or this engine does not support such a session.
        """
        if problem := self.missing():
            raise InputError(problem)
        if session.listen is not None:
            raise InputError(f"the engine {self.name} runs on one machine: leave --listen out")
        if session.dealer != "first-party":
            raise InputError(f"the engine {self.name} has its own dealer: leave --dealer {session.dealer} out")

    @abstractmethod
    def security(self, session: Session) -> dict[str, Any]:
        """Return the security model: parties, adversary, dealer, ring, and what is left public."""

    @abstractmethod
    def predict(self, architecture: Architecture, batch: int, seq_len: int) -> Prediction | None:
        """Return the cost of one inference, or None if it is known only afterwards."""

    @abstractmethod
    def start(self, session: Session) -> Parties:
        """Return parties, which start when their context is entered."""

    def prepared(self, model: Model, split: Split, pad_id: int) -> Model:
        """Return ``model`` as it is served: the same function, with its numbers inside the engine's domains."""
        return model

    def emulate(self, model: Model, split: Split, pad_id: int, seed: int) -> Emulation | None:
        """Return the emulated logits of every example of ``split``; None if the engine has no emulation."""
        return None

    def outside_domain(self, model: Model, split: Split, pad_id: int) -> list[dict[str, Any]] | None:
        """Return the inputs that leave an operator's domain on ``split``, by layer; None if that is not checked."""
        return None


@dataclass(frozen=True)
class Emulation:
    """Float32 logits (examples, outputs) in emulated fixed point, with wraps and overflows by operator.

    ``wraps`` counts the injected ones, ``expected_wraps`` sums their probabilities, ``overflows`` counts results
    beyond the ring.
    """

    logits: np.ndarray
    wraps: dict[str, int]
    expected_wraps: dict[str, float]
    overflows: dict[str, int]
