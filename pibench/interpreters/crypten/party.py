"""What one party's process does: answer commands with its own half of the secrets.

Party 0 is the server and owns the weights, party 1 is the client and owns the embedded text; each passes
tensors of the right shape, but without content, for what the other owns.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from pibench.architecture import Architecture
from pibench.contract import Lowering
from pibench.forward import Weights, encode
from pibench.interpreters.crypten.audit import count_wraps
from pibench.interpreters.crypten.compat import import_crypten
from pibench.interpreters.crypten.interpreter import CrypTenInterpreter, StockInterpreter
from pibench.interpreters.crypten.meter import Meter
from pibench.interpreters.ledger import Cost
from pibench.model import PUBLIC_SUFFIX, Embeddings, Model

SERVER, CLIENT = 0, 1
INTERPRETERS: dict[Lowering, type[CrypTenInterpreter]] = {
    "fair": CrypTenInterpreter,
    "stock": StockInterpreter,
}


@dataclass
class Failure:
    """What went wrong in a party, and when (monotonic seconds, the same clock for both)."""

    when: float
    what: str


@dataclass
class Inference:
    """One party's view of an inference: revealed logits, times in seconds, costs by operator, wraps seen."""

    logits: np.ndarray
    seconds: float
    compute_seconds: float
    costs: dict[str, Cost]
    wraps: int | None = None


@dataclass
class Party:
    """A party's state: the models that it shares with the other one."""

    rank: int
    meter: Meter
    models: dict[str, tuple[Architecture, Lowering, Weights]] = field(default_factory=dict)

    def load(
        self,
        name: str,
        architecture: Architecture,
        lowering: Lowering,
        state: dict[str, np.ndarray] | None,
    ) -> None:
        """Secret-share a model under ``name``; ``state`` is None at the client."""
        with torch.device("meta"):
            blank = Model(architecture, Embeddings(1, 1, 1, architecture.hidden_size, architecture.norm_eps))
        weights = blank.weights()
        layers = [
            {key: self._share_weight(f"layers.{i}.{key}", value, state) for key, value in layer.items()}
            for i, layer in enumerate(weights.layers)
        ]
        head = {key: self._share_weight(f"head.{key}", value, state) for key, value in weights.head.items()}
        self.models[name] = architecture, lowering, Weights(layers, head)

    def drop(self, name: str) -> None:
        """Forget a model."""
        del self.models[name]

    def _share_weight(self, name: str, blank: torch.Tensor, state: dict[str, np.ndarray] | None) -> Any:
        value = torch.zeros(blank.shape) if state is None else torch.from_numpy(state[name])
        if name.endswith(PUBLIC_SUFFIX):
            return self._broadcast(value, SERVER)
        return import_crypten().cryptensor(value, src=SERVER)

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool) -> Inference:
        """Run one batch: the client's ``embedded`` (batch, seq, hidden) and ``keep`` (batch, seq) are used."""
        if audit:
            with count_wraps(self.rank) as wraps:
                result = self._infer(name, embedded, keep)
                result.wraps = wraps()
                return result
        return self._infer(name, embedded, keep)

    def _infer(self, name: str, embedded: np.ndarray, keep: np.ndarray) -> Inference:
        crypten = import_crypten()
        architecture, lowering, weights = self.models[name]
        ops = INTERPRETERS[lowering]()
        crypten.comm.get().barrier()
        self.meter.start(ops)
        start = time.perf_counter()
        with crypten.no_grad():
            with ops.scope("input"):
                secret = crypten.cryptensor(torch.from_numpy(embedded), src=CLIENT)
                mask = self._broadcast(torch.from_numpy(keep), CLIENT)
            logits = encode(ops, architecture, weights, secret, mask).logits
            with ops.scope("reveal"):
                revealed = logits.get_plain_text().numpy()
        seconds = time.perf_counter() - start
        return Inference(revealed, seconds, seconds - self.meter.seconds, dict(self.meter.costs))

    def _broadcast(self, value: torch.Tensor, owner: int) -> torch.Tensor:
        return import_crypten().comm.get().broadcast(value.contiguous(), owner)


def main(rank: int, port: int, connection: Connection) -> None:
    """Join the other party on loopback and answer commands while the launcher lives."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to handle
    os.environ.update(
        RENDEZVOUS=f"tcp://127.0.0.1:{port}",
        WORLD_SIZE="2",
        RANK=str(rank),
        DISTRIBUTED_BACKEND="gloo",
        GLOO_SOCKET_IFNAME="lo",
    )
    try:
        crypten = import_crypten()
        crypten.cfg.communicator.verbose = True
        crypten.init()
        party = Party(rank, Meter(crypten.comm.get()))
        connection.send(None)
        while True:
            name, arguments = connection.recv()
            connection.send(getattr(party, name)(*arguments))
    except EOFError:
        pass  # the launcher is gone
    except BaseException as error:
        connection.send(Failure(time.monotonic(), f"{type(error).__name__}: {error}"))
        raise
