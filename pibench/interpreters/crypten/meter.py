"""Counts a party's bytes and rounds under the operator that caused them, at CrypTen's own counter."""

from __future__ import annotations

from typing import Any

from pibench.interpreters.base import Interpreter
from pibench.interpreters.ledger import SHARE_BYTES, Cost


class Meter:
    """Takes over a communicator's log; ``costs`` hold both directions, as the ledger's do."""

    def __init__(self, communicator: Any) -> None:
        self.costs: dict[str, Cost] = {}
        self.seconds = 0.0
        self._ops: Interpreter | None = None
        communicator._log_communication = self._log
        communicator._log_communication_time = self._log_time

    def start(self, ops: Interpreter) -> None:
        """Begin a new count for the operators of ``ops``."""
        self._ops, self.costs, self.seconds = ops, {}, 0.0

    def _log(self, elements: int) -> None:
        if self._ops is not None:
            name = self._ops.operator
            self.costs[name] = self.costs.get(name, Cost()) + Cost(int(elements * SHARE_BYTES), 1)

    def _log_time(self, seconds: float) -> None:
        self.seconds += seconds
