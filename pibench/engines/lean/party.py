"""One party of our own engine: its wire, its dealer, and the models that it shares with the other party.

Party 0 is the server and owns the weights, party 1 is the client and owns the embedded text; each passes
tensors of the right shape, but without content, for what the other owns.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from pibench.engines.lean.audit import WrapCounter
from pibench.engines.lean.dealer import Dealer, Store, first_party
from pibench.engines.lean.fold import fold
from pibench.engines.lean.ledger import Cost
from pibench.engines.lean.link import Link, ShapesLink
from pibench.engines.lean.meter import Meter
from pibench.engines.lean.protocol import SERVER, Beaver, private_inference
from pibench.engines.lean.sockets import SocketLink
from pibench.engines.lean.switches import CRYPTEN, LEAN, Switches
from pibench.model.architecture import Architecture
from pibench.model.forward import PUBLIC_SUFFIX, Weights
from pibench.model.module import blank
from pibench.model.primitives import Interpreter

Lowering = Literal["fair", "stock"]
"""How primitives become protocol steps: the best way we have, or what CrypTen ships with."""
SWITCHES: dict[Lowering, Switches] = {"fair": LEAN, "stock": CRYPTEN}
"""How a lowering runs unless it is told otherwise."""


@dataclass
class Inference:
    """One party's view of an inference: revealed logits, times in seconds, costs by operator, wraps seen.

    ``profile`` holds the wall seconds of each operator and those of them on the wire. ``peak_memory`` is the
    most that the process ever held, in bytes; ``offline_seconds`` is how long the dealer's tuples took where
    they were made before the clock started.
    """

    logits: np.ndarray
    seconds: float
    compute_seconds: float
    costs: dict[str, Cost]
    profile: dict[str, tuple[float, float]]
    peak_memory: int
    offline_seconds: float | None = None
    wraps: int | None = None


@dataclass(frozen=True)
class Served:
    """A model that the parties share."""

    architecture: Architecture
    lowering: Lowering
    switches: Switches
    weights: Weights
    requests: dict[torch.Size, list[Any]] = field(default_factory=dict)
    """The tuples that CrypTen's own tensors ask for, by the shape of the input."""

    def fresh_weights(self) -> Weights:
        """Return the weights as an inference begins with them: under the session's masks, or not opened."""
        if self.switches.weight_masks:
            return self.weights
        return self.weights.map(lambda name, value: value if name.endswith(PUBLIC_SUFFIX) else value.closed())


def serve_model(
    architecture: Architecture,
    lowering: Lowering,
    switches: Switches,
    state: dict[str, np.ndarray],
    share: Callable[[str, torch.Tensor], Any],
) -> Served:
    """Share a model's weights by ``share``; those that ``state`` lacks, the other party's, are zero."""
    model = blank(architecture)
    zeros = {key: np.zeros(value.shape, np.float32) for key, value in model.state_dict().items()}
    values = {key: torch.from_numpy(value) for key, value in (zeros | state).items()}
    model.load_state_dict(values, assign=True)
    with torch.no_grad():
        weights = model.weights()
        if switches.folded_weights:
            weights = fold(weights, architecture)
        shared = weights.map(lambda key, value: share(key, value.detach()))
    return Served(architecture, lowering, switches, shared)


class LeanParty:
    """A party's state; all that it does waits for the same command at the other party, on ``peer``'s other end.

    ``dealer`` is its end of a dealer who sits elsewhere; without, party 0 deals.
    """

    def __init__(
        self, rank: int, peer: socket.socket, meter: Meter | None = None, dealer: Dealer | None = None
    ) -> None:
        self.rank = rank
        self.models: dict[str, Served] = {}
        self._meter = meter or Meter()
        self._sockets = SocketLink(rank, peer, self._meter)
        self._aside = SocketLink(rank, peer, Meter())
        """The same wire, for what is no part of the protocol and not counted."""
        self._dealer = dealer or first_party(rank, self._agreed_seed())

    def load(
        self,
        name: str,
        architecture: Architecture,
        lowering: Lowering,
        switches: Switches | None,
        state: dict[str, np.ndarray] | None,
    ) -> None:
        """Secret-share a model under ``name``; ``state`` is None at the client."""
        switches = switches or SWITCHES[lowering]
        ops = Beaver(self.rank, self._link(switches), self._dealer, switches)
        self.models[name] = serve_model(
            architecture, lowering, switches, state or {}, lambda key, value: self._share_weight(ops, key, value)
        )

    def drop(self, name: str) -> None:
        """Forget a model."""
        del self.models[name]

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool) -> Inference:
        """Run one batch: the client's ``embedded`` (batch, seq, hidden) and ``keep`` (batch, seq) are used."""
        counter = WrapCounter(self.rank, self._aside) if audit else None
        with torch.no_grad():
            result = self._infer(self.models[name], torch.from_numpy(embedded), torch.from_numpy(keep), counter)
        result.wraps = counter.wraps if counter else None
        return result

    def _agreed_seed(self) -> int:
        return int(self._aside.broadcast(torch.tensor([int.from_bytes(os.urandom(7), "little")]), SERVER))

    def _link(self, switches: Switches) -> Link:
        return self._sockets

    def _share_weight(self, ops: Beaver, name: str, value: torch.Tensor) -> Any:
        return ops.weight(name, value)

    def _infer(
        self, served: Served, embedded: torch.Tensor, keep: torch.Tensor, counter: WrapCounter | None
    ) -> Inference:
        switches, weights, offline = served.switches, served.fresh_weights(), None
        dealer = self._dealer
        if switches.prefetch:
            start = time.perf_counter()
            store = Store(self._dealer)
            shapes = weights.map(lambda name, value: value if name.endswith(PUBLIC_SUFFIX) else value.shapes())
            ahead = Beaver(self.rank, ShapesLink(), store, switches)
            private_inference(ahead, served.architecture, shapes, embedded, keep)
            dealer, offline = store.prefetched(), time.perf_counter() - start
        ops = Beaver(self.rank, self._link(switches), dealer, switches, counter)
        start = self._begin(ops)
        logits = private_inference(ops, served.architecture, weights, embedded, keep)
        return self._seen(ops, logits, start, offline)

    def _begin(self, ops: Interpreter) -> float:
        """Wait for the other party, then start the count and the clock."""
        self._aside.sum([torch.zeros(1, dtype=torch.int64)])
        self._meter.start(ops)
        return time.perf_counter()

    def _seen(self, ops: Interpreter, logits: torch.Tensor, start: float, offline: float | None) -> Inference:
        seconds = time.perf_counter() - start
        compute = seconds - sum(self._meter.seconds.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        wire = self._meter.seconds
        profile = {name: (spent, wire.get(name, 0.0)) for name, spent in ops.seconds.items()}
        return Inference(logits.numpy(), seconds, compute, dict(self._meter.costs), profile, memory, offline)
