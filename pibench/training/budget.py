"""What every method may spend on training a compressed model back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Recovery = Literal["distill", "finetune"]


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
