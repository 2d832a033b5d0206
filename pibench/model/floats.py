"""Plain floats: differentiable, for training and float accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from pibench.model.primitives import Denominator, Domain, Interpreter


class TorchInterpreter(Interpreter):
    """Runs the forward pass on torch tensors with torch's fused kernels.

    ``dropout`` is the probability of dropping an activation; leave it at 0 outside training.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self._dropout = dropout

    def dropout(self, a: torch.Tensor) -> torch.Tensor:
        return functional.dropout(a, self._dropout) if self._dropout else a

    def mul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a * b

    def square(self, a: torch.Tensor) -> torch.Tensor:
        return a * a

    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    def linear(self, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, parts: int = 1) -> torch.Tensor:
        return functional.linear(a, weight, bias)

    def relu(self, a: torch.Tensor) -> torch.Tensor:
        return a.relu()

    def is_negative(self, a: torch.Tensor) -> torch.Tensor:
        return (a < 0).to(a.dtype)

    def sines(self, a: torch.Tensor, weights: Sequence[float], period: float) -> torch.Tensor:
        angle = a * (2 * math.pi / period)
        return torch.stack([weight * (k * angle).sin() for k, weight in enumerate(weights, 1)]).sum(0)

    def exp(self, a: torch.Tensor) -> torch.Tensor:
        return a.exp()

    def max(self, a: torch.Tensor) -> torch.Tensor:
        return a.amax(-1, keepdim=True)

    def divide(self, a: torch.Tensor, b: torch.Tensor, domain: Domain) -> torch.Tensor:
        return a / b

    def inverse_sqrt(self, a: torch.Tensor) -> torch.Tensor:
        return a.rsqrt()

    def tanh(self, a: torch.Tensor) -> torch.Tensor:
        return a.tanh()

    def gelu(self, a: torch.Tensor) -> torch.Tensor:
        return functional.gelu(a)

    def mask(self, a: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        return a.masked_fill(keep == 0, 0.0)  # a product would make NaN of an infinite number

    def mask_scores(self, scores: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Return scores with the lowest finite number where the mask is 0; a row without a kept key stays finite."""
        return scores.masked_fill(keep == 0, torch.finfo(scores.dtype).min)

    def softmax(self, scores: torch.Tensor, keep: torch.Tensor) -> tuple[torch.Tensor, Denominator | None]:
        return functional.softmax(self.mask_scores(scores, keep), dim=-1), None

    def layer_norm(self, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
        return functional.layer_norm(a, weight.shape, weight, bias, eps)
