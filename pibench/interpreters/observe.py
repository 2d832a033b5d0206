"""Look at what flows into an operator while the forward pass runs in floats."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pibench.interpreters.torch import TorchInterpreter


class PreActivations(TorchInterpreter):
    """Hands the input of every GELU to ``see(operator, value)``; the operator is named ``layer0.activation``."""

    def __init__(self, see: Callable[[str, torch.Tensor], None]) -> None:
        super().__init__()
        self._see = see

    def gelu(self, a: torch.Tensor) -> torch.Tensor:
        self._see(self.operator, a)
        return super().gelu(a)
