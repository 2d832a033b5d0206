"""Observe the forward pass while it runs in floats."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pibench.model.floats import TorchInterpreter

See = Callable[[str, torch.Tensor, torch.Tensor], None]


class Observer(TorchInterpreter):
    """Calls ``see`` with the input and output of every LayerNorm and product with a weight, and with all attention
    scores.

    ``see(operator, input, output)``; operators are named as ``layer0.ffn_in``, that of the scores ``layer0.scores``
    (its input is the query).
    """

    def __init__(self, see: See) -> None:
        super().__init__()
        self._see = see

    def linear(self, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, parts: int = 1) -> torch.Tensor:
        output = super().linear(a, weight, bias, parts)
        self._see(self.operator, a, output)
        return output

    def layer_norm(self, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
        output = super().layer_norm(a, weight, bias, eps)
        self._see(self.operator, a, output)
        return output

    def attention_scores(
        self, query: torch.Tensor, key: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        scores = super().attention_scores(query, key, bias)
        self._see(self.operator, query, scores)
        return scores
