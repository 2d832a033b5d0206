"""What one party's process on this machine does: answer commands with its own half of the secrets.

To what our own engine runs (:mod:`pibench.engines.lean.party`), CrypTen adds its tensors and gloo.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

import torch

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.crypten.overrides import plain_config, raw_sockets
from pibench.engines.crypten.tensors import CrypTenInterpreter, StockInterpreter
from pibench.engines.lean.audit import WrapCounter, watch_crypten
from pibench.engines.lean.dealer import Dealer
from pibench.engines.lean.link import Link
from pibench.engines.lean.meter import Meter
from pibench.engines.lean.party import Inference, LeanParty, Lowering, Served
from pibench.engines.lean.protocol import CLIENT, SERVER, Beaver
from pibench.engines.lean.sockets import GlooLink, connect
from pibench.engines.lean.switches import Switches
from pibench.engines.lean.third_party import dealt_by
from pibench.model.forward import PUBLIC_SUFFIX, forward
from pibench.net.emulation import End, enter_namespace
from pibench.net.processes import serve

TENSORS: dict[Lowering, type[CrypTenInterpreter]] = {"fair": CrypTenInterpreter, "stock": StockInterpreter}


class CryptenParty(LeanParty):
    """A party that runs CrypTen's own tensors too, where a model's switches say so."""

    def __init__(self, rank: int, host: str, dealer: Dealer | None) -> None:
        meter = Meter()
        meter.attach(import_crypten().comm.get())
        self._gloo = GlooLink(meter)
        peer = connect(rank, host, lambda port: int(self._gloo.broadcast(torch.tensor([port]), SERVER)))
        super().__init__(rank, peer, meter, dealer)

    def _share_weight(self, ops: Beaver, name: str, value: torch.Tensor) -> Any:
        if ops.switches.direct_shares or name.endswith(PUBLIC_SUFFIX):
            return super()._share_weight(ops, name, value)
        return import_crypten().cryptensor(value, src=SERVER)

    def _link(self, switches: Switches) -> Link:
        return self._sockets if switches.raw_sockets else self._gloo

    def _infer(
        self, served: Served, embedded: torch.Tensor, keep: torch.Tensor, counter: WrapCounter | None
    ) -> Inference:
        if served.switches.direct_shares:
            return super()._infer(served, embedded, keep, counter)
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


def main(rank: int, port: int, host: str, own: End, dealer: Connection | None, connection: Connection) -> None:
    """Join the other party at ``host:port``, from the own end, and answer commands while the launcher lives.

    At ``dealer``'s other end is a third party that deals; without it, party 0 does.
    """
    torch.set_num_threads(1)
    os.environ.update(
        RENDEZVOUS=f"tcp://{host}:{port}",
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
    serve(CryptenParty(rank, host, None if dealer is None else dealt_by(dealer, rank)), connection)
