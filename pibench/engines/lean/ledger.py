"""Predicts what a forward pass costs from shapes alone: no arithmetic, no parties, milliseconds.

The ledger *is* the protocol, run on shapes (torch meta tensors) with a link that only counts bytes and a dealer
that only counts tuples. Bytes are those of both directions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from pibench.engines.engine import Cost, Prediction
from pibench.engines.lean.dealer import Dealer, Make
from pibench.engines.lean.link import ShapesLink
from pibench.engines.lean.protocol import Beaver, private_inference
from pibench.engines.lean.shares import Known, Mask, Opening, Shared
from pibench.engines.lean.switches import LEAN, Switches
from pibench.model.architecture import Architecture
from pibench.model.parameters import Parameter, Weights
from pibench.model.primitives import Value

OPEN = 16
"""Bytes to open one element: each party sends its eight-byte share."""


class CountingDealer(Dealer):
    """Counts the tuples' correlated elements, and the tuples' bytes if they were sent to both parties in full.

    ``multiply`` is called with every product of secret numbers.
    """

    def __init__(self, multiply: Callable[[int], None]) -> None:
        self.elements = self.bytes = 0
        self._multiply = multiply

    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        self.elements += shape.numel() if make else 0
        self.bytes += 2 * shape.numel() * kind.itemsize
        return Mask(torch.empty(shape, dtype=kind, device="meta"))

    def private(self, shape: torch.Size, owner: int) -> Mask:
        self.bytes += shape.numel() * torch.int64.itemsize
        return Mask(torch.empty(shape, dtype=torch.int64, device="meta"))

    def product(self, operation: str, a: Mask, b: Mask) -> torch.Tensor:
        share = super().product(operation, a, b)
        self._multiply(share.numel() * (a.share.shape[-1] if operation == "matmul" else 1))
        return share

    def zero(self, shape: torch.Size) -> torch.Tensor:
        """Count nothing: parties mask their inputs with randomness that they generate themselves."""
        return torch.empty(shape, dtype=torch.int64, device="meta")


class Ledger(Beaver):
    """Books each protocol step under the operator that it belongs to; values have shapes only."""

    def __init__(self, switches: Switches = LEAN) -> None:
        self.offline = CountingDealer(lambda count: self._add(Cost(multiplications=count)))
        super().__init__(0, ShapesLink(self.book), self.offline, switches)
        self.costs: dict[str, Cost] = {}

    def book(self, count: int, rounds: int = 1, client_only: int = 0) -> None:
        """Add bytes and rounds to the current operator."""
        self._add(Cost(count, rounds, client_only=client_only))

    def total(self) -> Cost:
        """Return the sum over all operators."""
        return sum(self.costs.values(), Cost())

    def prediction(self) -> Prediction:
        """Return what was booked."""
        return Prediction(self.costs, self.offline.elements, self.offline.bytes)

    def _add(self, cost: Cost) -> None:
        self.costs[self.operator] = self.costs.get(self.operator, Cost()) + cost


def predict(architecture: Architecture, batch: int, seq_len: int, ledger: Ledger | None = None) -> Ledger:
    """Return the ledger of one inference of ``batch`` examples padded to ``seq_len``, logits revealed."""
    ledger = ledger or Ledger()
    weights = secret_shapes(architecture, ledger.switches)
    embedded = torch.empty(batch, seq_len, architecture.hidden_size, device="meta")
    keep = torch.ones(batch, seq_len, dtype=torch.int64)
    private_inference(ledger, architecture, weights, embedded, keep)
    return ledger


def session_bytes(architecture: Architecture, switches: Switches) -> int:
    """Return the bytes, both directions, that open a model's weights under their masks, once a session."""
    ledger = Ledger(switches)

    def opens(parameter: Parameter, value: Value) -> None:
        if isinstance(value, Known):
            ledger.known(value.value)
        elif isinstance(value, Shared) and value.opening:
            ledger.keep_open(value.closed())

    secret_shapes(architecture, switches).map(opens)
    return ledger.total().bytes


def secret_shapes(architecture: Architecture, switches: Switches) -> Weights:
    """Return weights that have only shapes; public coefficients are ones."""
    from pibench.model.module import blank

    weights = blank(architecture).weights()

    def share(parameter: Parameter, value: torch.Tensor) -> Value:
        if parameter.public:
            return torch.ones(value.shape)
        words = torch.empty(value.shape, dtype=torch.int64, device="meta")
        opened = switches.weight_masks and parameter.multiplies
        if opened and switches.known_weights:
            return Known(words, Mask(words), switches.fraction_bits)
        return Shared(words, switches.fraction_bits, Opening(words, Mask(words)) if opened else None)

    return weights.map(share)
