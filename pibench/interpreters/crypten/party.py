"""What one party's process does: answer commands with its own half of the secrets.

Party 0 is the server and owns the weights, party 1 is the client and owns the embedded text; each passes
tensors of the right shape, but without content, for what the other owns.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from pibench.architecture import Architecture
from pibench.contract import Lowering
from pibench.emulation import End, enter_namespace
from pibench.forward import PUBLIC_SUFFIX, Weights, forward
from pibench.interpreters.base import Interpreter
from pibench.interpreters.beaver import CLIENT, SERVER, Beaver, private_inference
from pibench.interpreters.crypten.audit import WrapCounter, watch_crypten
from pibench.interpreters.crypten.compat import import_crypten
from pibench.interpreters.crypten.meter import Meter
from pibench.interpreters.crypten.overrides import plain_config, raw_sockets
from pibench.interpreters.crypten.tensors import CrypTenInterpreter, StockInterpreter
from pibench.interpreters.crypten.transport import GlooLink, SocketLink, connect
from pibench.interpreters.dealer import Dealer, FirstParty, Store
from pibench.interpreters.fold import fold
from pibench.interpreters.ledger import Cost
from pibench.interpreters.link import Link, ShapesLink
from pibench.interpreters.processes import Failure
from pibench.interpreters.switches import CRYPTEN, LEAN, Switches
from pibench.model import blank

SWITCHES: dict[Lowering, Switches] = {"fair": LEAN, "stock": CRYPTEN}
"""How a lowering runs unless it is told otherwise."""
TENSORS: dict[Lowering, type[CrypTenInterpreter]] = {"fair": CrypTenInterpreter, "stock": StockInterpreter}


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


class Party:
    """A party's state: its wires, its dealer, and the models that it shares with the other one."""

    def __init__(self, rank: int, host: str) -> None:
        self.rank = rank
        self.models: dict[str, Served] = {}
        self._meter = Meter()
        self._meter.attach(import_crypten().comm.get())
        self._gloo = GlooLink(self._meter)
        self._sockets = SocketLink(rank, self._connect(host), self._meter)
        seed = self._gloo.broadcast(torch.tensor([int.from_bytes(os.urandom(7), "little")]), SERVER)
        self._dealer = FirstParty(rank, int(seed))

    def _connect(self, host: str) -> Any:
        return connect(self.rank, host, lambda port: int(self._gloo.broadcast(torch.tensor([port]), SERVER)))

    def load(
        self,
        name: str,
        architecture: Architecture,
        lowering: Lowering,
        switches: Switches | None,
        state: dict[str, np.ndarray] | None,
    ) -> None:
        """Secret-share a model under ``name``; ``state`` is None at the client."""
        model = blank(architecture)
        zeros = {key: np.zeros(value.shape, np.float32) for key, value in model.state_dict().items()}
        values = {key: torch.from_numpy(value) for key, value in (zeros | (state or {})).items()}
        model.load_state_dict(values, assign=True)
        switches = switches or SWITCHES[lowering]
        with torch.no_grad():
            weights = model.weights()
            if switches.folded_weights:
                weights = fold(weights, architecture)
            ops = Beaver(self.rank, self._link(switches), self._dealer, switches)
            shared = weights.map(lambda key, value: self._share_weight(ops, key, value.detach()))
        self.models[name] = Served(architecture, lowering, switches, shared)

    def _share_weight(self, ops: Beaver, name: str, value: torch.Tensor) -> Any:
        if ops.switches.direct_shares or name.endswith(PUBLIC_SUFFIX):
            return ops.weight(name, value)
        return import_crypten().cryptensor(value, src=SERVER)

    def drop(self, name: str) -> None:
        """Forget a model."""
        del self.models[name]

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool) -> Inference:
        """Run one batch: the client's ``embedded`` (batch, seq, hidden) and ``keep`` (batch, seq) are used."""
        served = self.models[name]
        run = self._infer_direct if served.switches.direct_shares else self._infer_tensors
        counter = WrapCounter(self.rank) if audit else None
        with torch.no_grad():
            result = run(served, torch.from_numpy(embedded), torch.from_numpy(keep), counter)
        result.wraps = counter.wraps if counter else None
        return result

    def _link(self, switches: Switches) -> Link:
        return self._sockets if switches.raw_sockets else self._gloo

    def _infer_direct(
        self, served: Served, embedded: torch.Tensor, keep: torch.Tensor, counter: WrapCounter | None
    ) -> Inference:
        switches, weights, offline = served.switches, served.weights, None
        dealer: Dealer = self._dealer
        if not switches.weight_masks:
            weights = weights.map(lambda name, value: value if name.endswith(PUBLIC_SUFFIX) else value.closed())
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

    def _infer_tensors(
        self, served: Served, embedded: torch.Tensor, keep: torch.Tensor, counter: WrapCounter | None
    ) -> Inference:
        crypten, ops = import_crypten(), TENSORS[served.lowering]()
        link = self._link(served.switches)
        with ExitStack() as active:
            active.enter_context(crypten.no_grad())
            if served.switches.plain_config:
                active.enter_context(plain_config())
            if served.switches.raw_sockets:
                active.enter_context(raw_sockets(link))
            crypten.mpc.get_default_provider().tuple_cache = {}  # a used-up one fails instead of making tuples
            offline = self._prefetch(served, embedded, keep) if served.switches.prefetch else None
            if counter:
                active.enter_context(watch_crypten(counter))
            start = self._begin(ops)
            revealed = _run_tensors(ops, served, link, embedded, keep)
            return self._seen(ops, revealed, start, offline)

    def _prefetch(self, served: Served, embedded: torch.Tensor, keep: torch.Tensor) -> float:
        """Let CrypTen's provider make all tuples of such a run; the first one is traced to see which."""
        provider = import_crypten().mpc.get_default_provider()
        requests = served.requests.get(embedded.shape)
        if requests is None:
            provider.tuple_cache, provider.request_cache = {}, []
            provider.trace(True)
            _run_tensors(TENSORS[served.lowering](), served, self._link(served.switches), embedded, keep)
            provider.trace(False)
            requests = served.requests[embedded.shape] = provider.request_cache
        start = time.perf_counter()
        provider.tuple_cache, provider.request_cache = {}, requests
        provider.fill_cache()
        return time.perf_counter() - start

    def _begin(self, ops: Interpreter) -> float:
        """Wait for the other party, then start the count and the clock."""
        import_crypten().comm.get().barrier()
        self._meter.start(ops)
        return time.perf_counter()

    def _seen(self, ops: Interpreter, logits: torch.Tensor, start: float, offline: float | None) -> Inference:
        seconds = time.perf_counter() - start
        compute = seconds - sum(self._meter.seconds.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        wire = self._meter.seconds
        profile = {name: (spent, wire.get(name, 0.0)) for name, spent in ops.seconds.items()}
        return Inference(logits.numpy(), seconds, compute, dict(self._meter.costs), profile, memory, offline)


def _run_tensors(
    ops: CrypTenInterpreter, served: Served, link: Link, embedded: torch.Tensor, keep: torch.Tensor
) -> torch.Tensor:
    """Run an inference on CrypTen's own tensors and return the revealed logits."""
    with ops.scope("input"):
        secret = import_crypten().cryptensor(embedded, src=CLIENT)
        mask = link.broadcast(keep, CLIENT)
    logits = forward(ops, served.architecture, served.weights, secret, mask, last=True).logits
    with ops.scope("reveal"):
        return logits.get_plain_text()


def main(rank: int, port: int, host: str, own: End, connection: Connection) -> None:
    """Join the other party at ``host:port``, from the own end, and answer commands while the launcher lives."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to handle
    os.environ.update(
        RENDEZVOUS=f"tcp://{host}:{port}",
        WORLD_SIZE="2",
        RANK=str(rank),
        DISTRIBUTED_BACKEND="gloo",
        GLOO_SOCKET_IFNAME=own.interface,
    )
    try:
        if own.namespace:
            enter_namespace(own.namespace)
        crypten = import_crypten()
        crypten.cfg.communicator.verbose = True
        crypten.init()
        party = Party(rank, host)
        connection.send(None)
        while True:
            name, arguments = connection.recv()
            connection.send(getattr(party, name)(*arguments))
    except EOFError:
        pass  # the launcher is gone
    except BaseException as error:
        connection.send(Failure(time.monotonic(), f"{type(error).__name__}: {error}"))
        raise
