"""The budget that every method has to recover a compressed model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Recovery = Literal["distill", "finetune"]


@dataclass(frozen=True)
class Budget:
    """The budget of a method; the same for all methods.

    ``examples`` caps the training examples of one epoch; ``tolerance`` is the accuracy loss a search may
    accept, in points; ``recovery`` is how a compressed model is recovered.
    """

    epochs: int = 3
    examples: int = 10_000
    batch_size: int = 32
    learning_rate: float = 5e-5
    tolerance: float = 2.3
    recovery: Recovery = "distill"
    seed: int = 0

    def epoch(self, available: int) -> int:
        """Return the examples of one epoch, where so many are available."""
        return min(self.examples, available)

    def allowance(self, available: int) -> int:
        """Return the examples of all epochs, where so many are available: what training a model may spend."""
        return self.epochs * self.epoch(available)
