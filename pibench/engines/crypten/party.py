"""One party's process on CrypTen's own tensors and gloo."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from pibench.engines.crypten.audit import watch_crypten
from pibench.engines.crypten.compat import import_crypten
from pibench.engines.crypten.gloo import GlooLink, count_by
from pibench.engines.crypten.overrides import plain_config, raw_sockets
from pibench.engines.crypten.settings import Lowering, Settings
from pibench.engines.crypten.tensors import CrypTenInterpreter, StockInterpreter
from pibench.engines.lean.audit import WrapCounter
from pibench.engines.lean.link import Link
from pibench.engines.lean.meter import Meter
from pibench.engines.lean.party import Party, PartyView
from pibench.engines.lean.protocol import CLIENT, SERVER
from pibench.engines.lean.shared_model import check_state, weights_of
from pibench.engines.lean.sockets import meet
from pibench.model.architecture import Architecture
from pibench.model.forward import forward
from pibench.model.parameters import Parameter, Weights
from pibench.net.emulation import End, enter_namespace
from pibench.net.processes import serve

TENSORS: dict[Lowering, type[CrypTenInterpreter]] = {"fair": CrypTenInterpreter, "stock": StockInterpreter}


@dataclass(frozen=True)
class CryptenModel:
    """A model as CrypTen's tensors, and the tuples that a run needs, by the shape of its input."""

    architecture: Architecture
    settings: Settings
    weights: Weights
    requests: dict[torch.Size, list[Any]] = field(default_factory=dict)

    def interpreter(self) -> CrypTenInterpreter:
        """Return what runs the forward pass."""
        return TENSORS[self.settings.lowering]()


class CryptenParty(Party[CryptenModel]):
    """A party that runs CrypTen's own tensors; its socket serves the audit, and ``raw_sockets``."""

    def __init__(self, rank: int, host: str, port: int) -> None:
        meter = Meter()
        count_by(meter, import_crypten().comm.get())
        super().__init__(rank, meet(rank, host, port), meter)
        self._gloo = GlooLink(meter)

    def load(
        self, name: str, architecture: Architecture, settings: Settings, state: dict[str, np.ndarray] | None
    ) -> None:
        if state is not None:
            check_state(architecture, state)
        link, crypten = self._link(settings), import_crypten()

        def share(parameter: Parameter, value: torch.Tensor) -> Any:
            if parameter.public:
                return link.broadcast(value.contiguous(), SERVER)
            return crypten.cryptensor(value, src=SERVER)

        with torch.no_grad():
            weights = weights_of(architecture, state or {}).map(share)
        self.models[name] = CryptenModel(architecture, settings, weights)

    def _link(self, settings: Settings) -> Link:
        return self._sockets if settings.raw_sockets else self._gloo

    def _infer(
        self, model: CryptenModel, embedded: torch.Tensor, keep: torch.Tensor, counter: WrapCounter | None
    ) -> PartyView:
        crypten, ops, settings = import_crypten(), model.interpreter(), model.settings
        link = self._link(settings)
        with ExitStack() as active:
            active.enter_context(crypten.no_grad())
            if settings.plain_config:
                active.enter_context(plain_config())
            if settings.raw_sockets:
                active.enter_context(raw_sockets(link))
            crypten.mpc.get_default_provider().tuple_cache = {}  # an empty one fails instead of making tuples
            ahead = settings.prefetch and counter is None  # an audited run is not timed, and its tuples need no cache
            offline = self._prefetch(model, link, embedded, keep) if ahead else None
            if counter:
                active.enter_context(watch_crypten(counter))
            start = self._begin(ops)
            revealed = _run(ops, model, link, embedded, keep)
            return self._seen(ops, revealed, start, offline)

    def _prefetch(self, model: CryptenModel, link: Link, embedded: torch.Tensor, keep: torch.Tensor) -> float:
        """Let CrypTen's provider make all tuples of such a run; the first run is traced to learn which."""
        provider = import_crypten().mpc.get_default_provider()
        requests = model.requests.get(embedded.shape)
        if requests is None:
            provider.tuple_cache, provider.request_cache = {}, []
            provider.trace(True)
            _run(model.interpreter(), model, link, embedded, keep)
            provider.trace(False)
            requests = model.requests[embedded.shape] = provider.request_cache
        start = time.perf_counter()
        provider.tuple_cache, provider.request_cache = {}, requests
        provider.fill_cache()
        return time.perf_counter() - start


def _run(
    ops: CrypTenInterpreter, model: CryptenModel, link: Link, embedded: torch.Tensor, keep: torch.Tensor
) -> torch.Tensor:
    """Run an inference on CrypTen's own tensors and return the revealed logits."""
    with ops.scope("input"):
        secret = import_crypten().cryptensor(embedded, src=CLIENT)
        mask = link.broadcast(keep, CLIENT)
    logits = forward(ops, model.architecture, model.weights, secret, mask, last=True).logits
    with ops.scope("reveal"):
        return logits.get_plain_text()


def main(rank: int, ports: tuple[int, int], host: str, own: End, connection: Connection) -> None:
    """Connect to the other party at ``host``, and answer commands as long as the launcher lives.

    CrypTen uses the first of ``ports``, our socket the second.
    """
    torch.set_num_threads(1)
    rendezvous, port = ports
    os.environ.update(
        RENDEZVOUS=f"tcp://{host}:{rendezvous}",
        WORLD_SIZE="2",
        RANK=str(rank),
        DISTRIBUTED_BACKEND="gloo",
        GLOO_SOCKET_IFNAME=own.interface,
    )
    if own.namespace:
        enter_namespace(own.namespace)
    crypten = import_crypten()
    crypten.cfg.communicator.verbose = True
    crypten.init()
    serve(CryptenParty(rank, host, port), connection)
