"""Predicts what a forward pass costs from shapes alone: no arithmetic, no parties, milliseconds.

Counting rules of two-party CrypTen with a dealer (both directions, eight-byte words): a Beaver product opens
both operands once, in one round; a square opens one operand; a comparison is an addition circuit of seven
AND levels on two shares and the conversion of one bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pibench.architecture import Architecture
from pibench.forward import encode
from pibench.interpreters.base import Value
from pibench.interpreters.secret_sharing import SecretSharing

OPEN = 16
"""Bytes to open one element: each party sends its eight-byte share."""
COMPARE = 432
COMPARE_ROUNDS = 8
SHARE_BYTES = 8


@dataclass(frozen=True)
class Cost:
    """Bytes of both directions, sequential rounds, and products of secret numbers."""

    bytes: int = 0
    rounds: int = 0
    multiplications: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.bytes + other.bytes, self.rounds + other.rounds, self.multiplications + other.multiplications)


class Ledger(SecretSharing):
    """Books each protocol step under the operator it belongs to; values are shapes (torch meta tensors)."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[str, Cost] = {}

    def book(self, elements: int, rounds: int = 1, multiplications: int = 0, unit: int = OPEN) -> None:
        """Add ``elements`` times ``unit`` bytes to the current operator."""
        cost = Cost(elements * unit, rounds, multiplications)
        self.costs[self.operator] = self.costs.get(self.operator, Cost()) + cost

    def total(self) -> Cost:
        """Return the sum over all operators."""
        return sum(self.costs.values(), Cost())

    def mul(self, a: Value, b: Value) -> Value:
        out = a * b
        self.book(a.numel() + b.numel(), multiplications=out.numel())
        return out

    def square(self, a: Value) -> Value:
        self.book(a.numel(), multiplications=a.numel())
        return torch.empty_like(a)

    def matmul(self, a: Value, b: Value) -> Value:
        out = a @ b
        self.book(a.numel() + b.numel(), multiplications=out.numel() * a.shape[-1])
        return out

    def negative(self, a: Value) -> Value:
        self.book(a.numel(), COMPARE_ROUNDS, unit=COMPARE)
        return torch.empty_like(a)

    def scale(self, a: Value, constant: float | torch.Tensor) -> Value:
        return torch.empty_like(a)

    def shift(self, a: Value, constant: float | torch.Tensor) -> Value:
        return torch.empty_like(a)

    def mask(self, a: Value, keep: torch.Tensor) -> Value:
        return torch.empty_like(a)

    def receive(self, batch: int, seq_len: int) -> None:
        """Book the client's input: shares cost nothing (common randomness), its public mask one broadcast."""
        with self.scope("input"):
            self.book(batch * seq_len, unit=SHARE_BYTES)

    def reveal(self, a: Value) -> None:
        """Book the opening of the result to both parties."""
        with self.scope("reveal"):
            self.book(a.numel())


def predict(architecture: Architecture, batch: int, seq_len: int, ledger: Ledger | None = None) -> Ledger:
    """Return the ledger of one inference of ``batch`` examples padded to ``seq_len``, logits revealed."""
    from pibench.model import Embeddings, Model

    ledger = ledger or Ledger()
    ledger.receive(batch, seq_len)
    with torch.device("meta"):
        model = Model(architecture, Embeddings(1, 1, 1, architecture.hidden_size, architecture.norm_eps))
        embedded = torch.empty(batch, seq_len, architecture.hidden_size)
        keep = torch.ones(batch, seq_len)
        with torch.no_grad():
            ledger.reveal(encode(ledger, architecture, model.weights(), embedded, keep).logits)
    return ledger
