"""Runs the forward pass on CrypTen's secret shares, inside one party's process."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.lean.lowering import SecretSharing
from pibench.model.primitives import Value

SIGMOID_GELU = 1.702
"""x * sigmoid(1.702 x) differs from GELU by at most 0.02 (Hendrycks & Gimpel 2016)."""


class CrypTenInterpreter(SecretSharing):
    """The fair lowering on CrypTen's protocol steps; values are ``MPCTensor``."""

    def __init__(self) -> None:
        super().__init__()
        self._crypten = import_crypten()

    def mul(self, a: Value, b: Value) -> Value:
        return a * b

    def square(self, a: Value) -> Value:
        return a.square()

    def matmul(self, a: Value, b: Value) -> Value:
        return a.matmul(b)

    def is_negative(self, a: Value) -> Value:
        return a._ltz()

    def scale(self, a: Value, constant: float | torch.Tensor) -> Value:
        """Multiply by a public constant; by an integer, or its inverse, without rounding the constant."""
        if isinstance(constant, torch.Tensor):
            return a * (constant.item() if constant.numel() == 1 else constant)
        if float(constant).is_integer():
            return a * int(constant)
        divisor = round(1 / constant)
        if divisor > 1 and abs(divisor * constant - 1) < 1e-9:
            return a.div(divisor)
        return a * constant

    def shift(self, a: Value, constant: float | torch.Tensor) -> Value:
        if isinstance(constant, torch.Tensor) and constant.numel() == 1:
            constant = constant.item()
        return a + constant

    def mask(self, a: Value, keep: torch.Tensor) -> Value:
        """Multiply the shares by 0 or 1: exact, where a fixed-point product would round."""
        masked = a.clone()
        masked.share = a.share * keep.long()
        return masked

    def concat(self, values: Sequence[Value], dim: int) -> Value:
        return self._crypten.cat(list(values), dim=dim)

    def stack(self, values: Sequence[Value]) -> Value:
        return self._crypten.stack(list(values))


class StockInterpreter(CrypTenInterpreter):
    """CrypTen's own softmax, sigmoid, tanh and inverse square root, unchanged.

    GELU is x * sigmoid(1.702 x): CrypTen's ``erf`` is wrong beyond abs(x) = 0.5 (its odd powers are), and its
    tanh explodes on the large pre-activations that real checkpoints have.
    """

    def softmax(self, scores: Value, keep: torch.Tensor) -> tuple[Value, None]:
        return self.mask_scores(scores, keep).softmax(-1), None

    def inverse_sqrt(self, a: Value) -> Value:
        return a.inv_sqrt()

    def tanh(self, a: Value) -> Value:
        return a.tanh()

    def gelu(self, a: Value) -> Value:
        return a * (a * SIGMOID_GELU).sigmoid()
