"""How much training went into the weights of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """Optimiser steps, and the training examples in their batches; an example counts each time that it is used."""

    steps: int = 0
    examples: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.steps + other.steps, self.examples + other.examples)
