"""One of the two parties: its wire, its meter, and the models that it shares with the other party.

Party 0 is the server and owns the weights, party 1 is the client and owns the embedded text; each passes
empty tensors of the right shape for what the other owns.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from pibench.engines.engine import Cost
from pibench.engines.lean.audit import WrapCounter
from pibench.engines.lean.dealer import Dealer, Store, first_party
from pibench.engines.lean.link import ShapesLink
from pibench.engines.lean.meter import Meter
from pibench.engines.lean.protocol import SERVER, Beaver, private_inference
from pibench.engines.lean.shared_model import SharedModel, check_state, share_model
from pibench.engines.lean.sockets import SocketLink, meet
from pibench.engines.lean.switches import Switches
from pibench.engines.lean.third_party import dealt_by
from pibench.model.architecture import Architecture
from pibench.model.primitives import Interpreter
from pibench.net.emulation import End, enter_namespace
from pibench.net.processes import serve


@dataclass
class PartyView:
    """One party's view of an inference: revealed logits, times in seconds, costs by operator, wraps seen.

    ``profile`` holds the wall seconds of each operator and how many of them were spent on the wire. ``peak_memory``
    is the process's largest, in bytes; ``offline_seconds`` is how long the dealer's tuples took if they were made
    before the clock started.
    """

    logits: np.ndarray
    seconds: float
    compute_seconds: float
    costs: dict[str, Cost]
    profile: dict[str, tuple[float, float]]
    peak_memory: int
    offline_seconds: float | None = None
    wraps: int | None = None


S = TypeVar("S")
"""A model that the parties share, as an engine keeps it."""


class Party(ABC, Generic[S]):
    """A party's state; every command must also be given to the other party, at the other end of ``peer``."""

    def __init__(self, rank: int, peer: socket.socket, meter: Meter) -> None:
        self.rank = rank
        self.models: dict[str, S] = {}
        self._meter = meter
        self._sockets = SocketLink(rank, peer, meter)
        self._aside = SocketLink(rank, peer, Meter())
        """The same wire, for traffic that is not part of the protocol and not counted."""

    @abstractmethod
    def load(self, name: str, architecture: Architecture, settings: Any, state: dict[str, np.ndarray] | None) -> None:
        """Secret-share a model under ``name``; ``state`` is None at the client."""

    def drop(self, name: str) -> None:
        """Forget a model."""
        del self.models[name]

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool) -> PartyView:
        """Run one batch: the client's ``embedded`` (batch, seq, hidden) and ``keep`` (batch, seq) are used."""
        counter = WrapCounter(self.rank, self._aside) if audit else None
        with torch.no_grad():
            view = self._infer(self.models[name], torch.from_numpy(embedded), torch.from_numpy(keep), counter)
        view.wraps = counter.wraps if counter else None
        return view

    @abstractmethod
    def _infer(self, model: S, embedded: torch.Tensor, keep: torch.Tensor, counter: WrapCounter | None) -> PartyView:
        """Run one batch and return what this party saw of it."""

    def _begin(self, ops: Interpreter) -> float:
        """Wait for the other party, then start the count and the clock."""
        self._aside.sum([torch.zeros(1, dtype=torch.int64)])
        self._meter.start(ops)
        return time.perf_counter()

    def _seen(self, ops: Interpreter, logits: torch.Tensor, start: float, offline: float | None) -> PartyView:
        seconds = time.perf_counter() - start
        compute = seconds - sum(self._meter.seconds.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        wire = self._meter.seconds
        profile = {name: (spent, wire.get(name, 0.0)) for name, spent in ops.seconds.items()}
        return PartyView(logits.numpy(), seconds, compute, dict(self._meter.costs), profile, memory, offline)


class LeanParty(Party[SharedModel]):
    """A party of the lean engine; ``dealer`` is its end of a dealer that runs elsewhere; without one, party 0 deals."""

    def __init__(self, rank: int, peer: socket.socket, dealer: Dealer | None = None) -> None:
        super().__init__(rank, peer, Meter())
        self._dealer = dealer or first_party(rank, self._agreed_seed())

    def load(
        self, name: str, architecture: Architecture, settings: Switches, state: dict[str, np.ndarray] | None
    ) -> None:
        if state is not None:
            check_state(architecture, state)
        ops = Beaver(self.rank, self._sockets, self._dealer, settings)
        self.models[name] = share_model(architecture, settings, state or {}, ops.weight)

    def _agreed_seed(self) -> int:
        return int(self._aside.broadcast(torch.tensor([int.from_bytes(os.urandom(7), "little")]), SERVER))

    def _infer(
        self, model: SharedModel, embedded: torch.Tensor, keep: torch.Tensor, counter: WrapCounter | None
    ) -> PartyView:
        weights, dealer, offline = model.fresh_weights(), self._dealer, None
        if model.switches.prefetch and counter is None:  # an audited run is not timed, and its tuples need no store
            start = time.perf_counter()
            store = Store(self._dealer)
            shapes = weights.map(lambda parameter, value: value if parameter.public else value.shapes())
            ahead = Beaver(self.rank, ShapesLink(), store, model.switches)
            private_inference(ahead, model.architecture, shapes, embedded, keep)
            dealer, offline = store.prefetched(), time.perf_counter() - start
        ops = Beaver(self.rank, self._sockets, dealer, model.switches, counter)
        start = self._begin(ops)
        logits = private_inference(ops, model.architecture, weights, embedded, keep)
        return self._seen(ops, logits, start, offline)


def main(rank: int, port: int, host: str, own: End, dealer: Connection | None, connection: Connection) -> None:
    """Connect to the other party at ``host:port``, and answer commands as long as the launcher lives.

    The other end of ``dealer`` is a third party that deals; without it, party 0 deals.
    """
    torch.set_num_threads(1)
    if own.namespace:
        enter_namespace(own.namespace)
    peer = meet(rank, host, port)
    serve(LeanParty(rank, peer, None if dealer is None else dealt_by(dealer, rank)), connection)
