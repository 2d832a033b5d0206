"""Entropy regularisation of attention heads: Algorithm 1 of Jha & Reagen (arXiv 2501.03489, section 4).

Each head's entropy is held near a learned share of the largest possible entropy. What the paper leaves open
is decided here and marked as ours.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from pibench.model.architecture import Architecture
from pibench.model.floats import TorchInterpreter
from pibench.training.distill import Regulariser

MARGIN = 0.2
"""gamma, as chosen in the paper and the authors' code; the listing in its appendix has 0.1."""
PAPER_STRENGTH = 1e-5
"""lambda for CodeParrot; Languini's is 5e-5."""
PAPER_ROWS = 128 * 128
"""Queries per batch in the paper. The authors' code sums over them, so its lambda weighs their mean this much more."""
INITIAL_THRESHOLD = 0.5
"""theta's start: the middle of its range. Our choice; the paper gives none, its learned values end at 0.2 to 0.52."""
_TINY = 1e-9

Form = Literal["mean", "summed"]


class AttentionEntropies(TorchInterpreter):
    """Runs the forward pass in floats and keeps, for every layer, the entropy of each attention row in nats.

    ``entropies`` holds tensors (batch, heads, queries). Rows are what the softmax returns over their sum.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(dropout)
        self.entropies: list[torch.Tensor] = []
        self.length = 0

    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self.operator.endswith(".context"):
            self.length = a.shape[-1]
            self.entropies.append(-(a * (a + _TINY).log()).sum(-1))
        return super().matmul(a, b)


class EntropyRegulariser(Regulariser):
    """lambda times the mean over layers and heads of a two-sided squared penalty outside gamma log T.

    ``mean``, as in Algorithm 1, penalises a head's mean entropy over queries (and examples); ``summed``, as in the
    authors' code, penalises each query's entropy, summed over queries and examples before the mean over heads and
    layers. T is the number of keys.
    """

    def __init__(
        self,
        architecture: Architecture,
        strength: float,
        margin: float = MARGIN,
        form: Form = "mean",
        threshold: float = INITIAL_THRESHOLD,
    ) -> None:
        super().__init__()
        self._strength, self._margin, self._form = strength, margin, form
        self.thresholds = nn.ParameterList(
            nn.Parameter(torch.full((layer.heads,), threshold)) for layer in architecture.layers
        )

    def interpreter(self, dropout: float) -> AttentionEntropies:
        return AttentionEntropies(dropout)

    def forward(self, ops: TorchInterpreter) -> torch.Tensor:
        assert isinstance(ops, AttentionEntropies)
        largest = math.log(ops.length)
        penalties = [
            self._penalty(entropies.float(), threshold, largest)
            for entropies, threshold in zip(ops.entropies, self.thresholds, strict=True)
        ]
        return self._strength * torch.stack(penalties).mean()

    def _penalty(self, entropies: torch.Tensor, threshold: torch.Tensor, largest: float) -> torch.Tensor:
        """Return one layer's penalty, the mean over its heads."""
        if self._form == "mean":
            entropies = entropies.mean((0, 2), keepdim=True)
        deviation = entropies - threshold[:, None] * largest
        outside = deviation.abs() > self._margin * largest
        return (deviation.square() * outside).sum((0, 2)).mean()
