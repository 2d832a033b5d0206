"""Counts a party's bytes and rounds under the operator that caused them."""

from __future__ import annotations

from pibench.engines.engine import Cost
from pibench.model.primitives import Interpreter


class Meter:
    """What crosses the wires, by operator.

    ``costs`` hold the bytes of both directions, as the ledger's do; ``seconds`` is the time spent on them.
    """

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = {}
        self.seconds: dict[str, float] = {}
        self._ops: Interpreter | None = None

    def start(self, ops: Interpreter) -> None:
        """Start a new count for the operators of ``ops``."""
        self._ops, self.costs, self.seconds = ops, {}, {}

    def log(self, count: int, seconds: float, client_only: int = 0) -> None:
        """Count one round of ``count`` bytes, both directions, that took ``seconds``."""
        self.wait(seconds)
        if self._ops is not None:
            name = self._ops.operator
            self.costs[name] = self.costs.get(name, Cost()) + Cost(count, 1, client_only=client_only)

    def wait(self, seconds: float) -> None:
        """Add seconds to the current operator's."""
        if self._ops is not None:
            name = self._ops.operator
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
