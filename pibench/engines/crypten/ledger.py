"""Predicts what CrypTen's own tensors cost (version 0.4.1, default settings)."""

from __future__ import annotations

import math

import torch

from pibench.engines.lean.ledger import OPEN, Ledger
from pibench.engines.lean.switches import Switches
from pibench.model.primitives import Value

STEPS = Switches(fused_qkv=True, squares=True)
"""The protocol steps, and so the bytes and rounds, of CrypTen's own tensors."""
EXP_SQUARINGS = 8
RECIPROCAL_STEPS = 10
INVERSE_SQRT_STEPS = 3
SIGMOID_RECIPROCAL_STEPS = 3
PRECISION_BITS = 16
EQUAL_ROUNDS = 7
EQUAL = 6 * 2 * OPEN + OPEN
"""Bytes of an equality test: six AND levels and the conversion of one bit."""


class CryptenLedger(Ledger):
    """The ledger of the lean engine's lowering, without tables, on CrypTen's protocol steps."""

    def __init__(self) -> None:
        super().__init__(STEPS)


class StockLedger(CryptenLedger):
    """The ledger of the stock lowering: CrypTen's own softmax, tanh and inverse square root."""

    def softmax(self, scores: Value, keep: torch.Tensor) -> tuple[Value, None]:
        """Book ``CrypTensor.softmax``, with the argmax that its maximum builds and softmax throws away."""
        rows = self._stock_max(scores)
        self._power(scores, EXP_SQUARINGS)
        self._power(rows, EXP_SQUARINGS)
        for _ in range(RECIPROCAL_STEPS):
            self.mul(self.square(rows), rows)
        return self.mul(scores, rows), None

    def inverse_sqrt(self, a: Value) -> Value:
        self._power(a, EXP_SQUARINGS)
        for _ in range(INVERSE_SQRT_STEPS):
            a = self.mul(a, self.mul(a, self.square(a)))
        return a

    def tanh(self, a: Value) -> Value:
        """Book 2 sigmoid(2x) - 1."""
        return self._sigmoid(a)

    def gelu(self, a: Value) -> Value:
        """Book x * sigmoid(1.702 x)."""
        return self.mul(a, self._sigmoid(a))

    def _sigmoid(self, a: Value) -> Value:
        """Book ``sigmoid``: exponential and reciprocal of abs(x), then a choice by the sign."""
        self._power(self.mul(a, self.is_negative(a)), EXP_SQUARINGS)
        for _ in range(SIGMOID_RECIPROCAL_STEPS - 1):  # the first step starts from a public number
            self.mul(self.square(a), a)
        self.mul(a, a)
        return self.mul(a, a)

    def _stock_max(self, a: Value) -> Value:
        """Book ``max`` by log reduction and return the shape of the maxima."""
        rest = a
        for _ in range(int(math.log(a.shape[-1]))):
            half = rest[..., : rest.shape[-1] // 2]
            self.is_negative(half)
            self.mul(half, half)
            self.mul(half, half)
            rest = rest[..., : half.shape[-1] + rest.shape[-1] % 2]
        self._pairwise_argmax(rest)
        self.mul(rest, rest)
        self.book(a.numel() * EQUAL, EQUAL_ROUNDS)
        self._break_ties(a)
        return a[..., :1]

    def _pairwise_argmax(self, a: Value) -> None:
        width = a.shape[-1]
        copies = self.stack([a] * max(width - 1, 1))
        self.is_negative(copies)
        while (count := copies.shape[0]) > 1:
            half = count // 2
            self.mul(copies[:half], copies[:half])
            copies = copies[: half + count % 2]
        self._break_ties(a)

    def _break_ties(self, a: Value) -> None:
        """Book ``weighted_index``: a random threshold a row, made of random bits, and a comparison."""
        rows = a[..., :1]
        self.book(rows.numel() * PRECISION_BITS * OPEN)
        self.mul(rows, rows)
        self.is_negative(a)
