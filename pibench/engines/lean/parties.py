"""A server and a client on this machine, in two real processes connected over TCP on loopback."""

from __future__ import annotations

import multiprocessing
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Self

import numpy as np

from pibench.engines.engine import Cost, Inference, Parties, Session
from pibench.engines.lean.party import PartyView, main
from pibench.engines.lean.protocol import CLIENT, SERVER
from pibench.engines.lean.shared_model import is_served
from pibench.engines.lean.switches import LEAN, Switches
from pibench.engines.lean.third_party import main as deal
from pibench.model.module import Model
from pibench.net.emulation import End
from pibench.net.processes import Main, PartyFailed, Processes, free_port

NAMES = ("party 0 (server)", "party 1 (client)")
LOOPBACK = End(namespace="", address="127.0.0.1", interface="lo")


class TwoParties(Parties):
    """A running server and client of any engine; models are kept by name, and the oldest is dropped first.

    With ``ends`` each party runs at its end of an emulated link instead of on loopback.

    Raises:
        InputError: the port is busy.
        PartyFailed: a party did not start.
    """

    def __init__(self, session: Session, ends: tuple[End, End] | None = None) -> None:
        self._session = session
        self.running = Processes([*NAMES, *["the dealer"] * (session.dealer == "third-party")], session.deadline)
        self._port = free_port(session.port)
        self._ends = ends or (LOOPBACK, LOOPBACK)
        self._loaded: list[str] = []

    def __exit__(self, *raised: object) -> None:
        self.running.kill()

    @property
    def processes(self) -> list[SpawnProcess]:
        """The server's, the client's and, if there is one, the dealer's process."""
        return self.running.processes

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> Inference:
        blank = np.zeros_like(embedded), np.ones_like(keep)
        arguments = [(name, *blank, audit), (name, embedded, keep, audit), (name, *blank, audit)]
        return merged(self._call("infer", *arguments)[:2])

    def _load(self, name: str, model: Model, settings: Any) -> None:
        """Share a model that runs by ``settings``, unless it is loaded."""
        if name in self._loaded:
            return
        if len(self._loaded) == self._session.models_at_once:
            self._call("drop", *[(self._loaded.pop(0),)] * 3)
        own = model.architecture
        state = {key: value.detach().numpy() for key, value in model.state_dict().items() if is_served(own, key)}
        public = {key: state[key] for key in model.public_names()}
        self._call("load", *((name, own, settings, part) for part in (state, None, public)))
        self._loaded.append(name)

    def _call(self, command: str, *arguments: tuple[Any, ...]) -> list[Any]:
        """Have the server, the client and the dealer, if any, run ``command``, each with its own arguments."""
        return self.running.call([(command, own) for own in arguments[: len(self.running.names)]])


class LeanParties(TwoParties):
    """The parties of the lean engine; a ``third-party`` dealer is a separate process."""

    def __enter__(self) -> Self:
        pipes = [multiprocessing.Pipe() for _ in NAMES] if self._session.dealer == "third-party" else []
        to_dealer: list[Connection | None] = [theirs for _, theirs in pipes] or [None, None]
        host = self._ends[SERVER].address
        mains: list[Main] = [
            partial(main, rank, self._port, host, self._ends[rank], to_dealer[rank]) for rank in (SERVER, CLIENT)
        ]
        try:
            self.running.start(mains + ([partial(deal, [own for own, _ in pipes])] if pipes else []))
        finally:
            for end in chain.from_iterable(pipes):
                end.close()  # the processes have their own copies, and must notice when the other end closes
        return self

    def load(self, name: str, model: Model, switches: Switches = LEAN) -> None:
        self._load(name, model, switches)


def merged(views: list[PartyView]) -> Inference:
    """Return what both parties measured of one inference, merged.

    Raises:
        PartyFailed: they counted different bytes or rounds.
    """
    server, client = views
    if server.costs != client.costs:
        raise PartyFailed("the parties counted different bytes or rounds of one inference")
    total = sum(server.costs.values(), Cost())
    sent = (total.bytes - total.client_only) // 2
    offline = [view.offline_seconds for view in views if view.offline_seconds is not None]
    return Inference(
        logits=server.logits,
        seconds=max(view.seconds for view in views),
        bytes_sent=[sent, total.bytes - sent],
        rounds=total.rounds,
        compute_seconds=max(view.compute_seconds for view in views),
        costs=server.costs,
        profile=server.profile,
        peak_memory=max(view.peak_memory for view in views),
        offline_seconds=max(offline, default=None),
        wraps=server.wraps,
    )
