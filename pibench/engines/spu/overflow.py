"""Finds products too large for SPU's ring, which would wrap without an error, in floats and before a run."""

from __future__ import annotations

import torch

from pibench.engines.spu.protocols import LIMIT
from pibench.errors import InputError
from pibench.model.architecture import Architecture
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import Weights, forward
from pibench.model.primitives import Interpreter


class _Products(TorchInterpreter):
    """Runs the forward pass in floats and keeps the largest product of each operator."""

    mask_scores = Interpreter.mask_scores
    softmax = Interpreter.softmax
    layer_norm = Interpreter.layer_norm

    def __init__(self) -> None:
        super().__init__()
        self.largest: dict[str, float] = {}

    def mul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self._see(super().mul(a, b))

    def square(self, a: torch.Tensor) -> torch.Tensor:
        return self._see(super().square(a))

    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self._see(super().matmul(a, b))

    def linear(self, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, parts: int = 1) -> torch.Tensor:
        return self._see(super().linear(a, weight, bias, parts))

    def sum(self, a: torch.Tensor, dim: int = -1) -> torch.Tensor:
        return self._see(super().sum(a, dim))

    def _see(self, value: torch.Tensor) -> torch.Tensor:
        self.largest[self.operator] = max(self.largest.get(self.operator, 0.0), float(value.abs().max()))
        return value


@torch.no_grad()
def refuse_overflow(architecture: Architecture, weights: Weights, embedded: torch.Tensor, keep: torch.Tensor) -> None:
    """Run the forward pass in floats on the input that is to be served.

    Raises:
        InputError: a product or a sum comes within a factor of two of :data:`LIMIT`.
    """
    ops = _Products()
    forward(ops, architecture, weights, embedded, keep)
    large = {name: size for name, size in ops.largest.items() if not size < LIMIT / 2}
    if large:
        first = next(iter(large))
        raise InputError(
            f"{first} reaches {large[first]:.3g}: SPU's numbers wrap at {LIMIT:.3g}, without an error; "
            "scale the model down, or normalise in between"
        )
