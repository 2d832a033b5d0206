"""A server and a client on this machine, in two real processes joined over TCP on loopback."""

from __future__ import annotations

import multiprocessing
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import numpy as np

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.crypten.party import main
from pibench.engines.lean.dealer import DealerKind
from pibench.engines.lean.party import SWITCHES, Inference, Lowering
from pibench.engines.lean.protocol import CLIENT, SERVER
from pibench.engines.lean.switches import Switches
from pibench.engines.lean.third_party import main as deal
from pibench.errors import InputError
from pibench.model.forward import PUBLIC_SUFFIX
from pibench.model.module import Model
from pibench.net.emulation import End
from pibench.net.processes import Main, Processes, free_port

_NAMES = ["party 0 (server)", "party 1 (client)"]
_LOOPBACK = End(namespace="", address="127.0.0.1", interface="lo")


class Parties:
    """A running server and client; use as a context manager.

    ``deadline`` is the longest wait for any one answer, in seconds. Without ``port`` a free one is taken. With
    ``ends`` each party runs at its end of an emulated link instead of on loopback. A ``third-party`` dealer is a
    process of its own, for our own engine alone.

    Raises:
        InputError: CrypTen is missing, or the port is busy.
        PartyFailed: a party did not start.
    """

    def __init__(
        self,
        deadline: float = 600.0,
        port: int | None = None,
        models_at_once: int = 2,
        ends: tuple[End, End] | None = None,
        dealer: DealerKind = "first-party",
    ) -> None:
        import_crypten()
        self._dealer = dealer
        self._running = Processes(_NAMES + ["the dealer"] * (dealer == "third-party"), deadline)
        self._port = free_port(port)
        self._models_at_once = models_at_once
        self._ends = ends or (_LOOPBACK, _LOOPBACK)
        self._loaded: list[str] = []

    def __enter__(self) -> Parties:
        pipes = [multiprocessing.Pipe() for _ in _NAMES] if self._dealer == "third-party" else []
        to_dealer: list[Connection | None] = [theirs for _, theirs in pipes] or [None, None]
        host = self._ends[SERVER].address
        mains: list[Main] = [
            partial(main, rank, self._port, host, self._ends[rank], to_dealer[rank]) for rank in (SERVER, CLIENT)
        ]
        try:
            self._running.start(mains + ([partial(deal, [own for own, _ in pipes])] if pipes else []))
        finally:
            for end in chain.from_iterable(pipes):
                end.close()  # the processes have theirs, and hear of each other's death
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.kill()

    @property
    def processes(self) -> list[SpawnProcess]:
        """The server's, the client's and, if there is one, the dealer's process."""
        return self._running.processes

    def load(self, name: str, model: Model, lowering: Lowering = "fair", switches: Switches | None = None) -> None:
        """Secret-share ``model`` between the parties under ``name``; only the server is given its weights.

        ``switches`` are those of the lowering unless given. The ``models_at_once`` models loaded last are kept,
        to compare them; older ones are dropped.
        """
        chosen = switches or SWITCHES[lowering]
        if self._dealer == "third-party" and not (chosen.direct_shares and lowering == "fair"):
            raise InputError(
                "CrypTen's own tensors have their dealer at party 0: measure stock with --dealer first-party"
            )
        if name in self._loaded:
            return
        if len(self._loaded) == self._models_at_once:
            oldest = self._loaded.pop(0)
            self._call("drop", *[(oldest,)] * 3)
        state = {key: value.detach().numpy() for key, value in model.state_dict().items() if _served(model, key)}
        public = {key: value for key, value in state.items() if key.endswith(PUBLIC_SUFFIX)}
        self._call("load", *((name, model.architecture, lowering, switches, own) for own in (state, None, public)))
        self._loaded.append(name)

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> list[Inference]:
        """Run one batch and return what the server and the client saw.

        Only the client is given ``embedded`` (batch, seq, hidden; float32) and ``keep`` (batch, seq; int64).
        With ``audit``, truncation wraps are counted, which slows the run and breaks its secrecy.
        """
        blank = np.zeros_like(embedded), np.ones_like(keep)
        return self._call("infer", (name, *blank, audit), (name, embedded, keep, audit), (name, *blank, audit))[:2]

    def _call(self, command: str, *arguments: tuple[Any, ...]) -> list[Any]:
        """Let server, client and dealer, if there is one, do ``command``, each with its own arguments."""
        return self._running.call([(command, own) for own in arguments[: len(self._running.names)]])


def _served(model: Model, name: str) -> bool:
    """Say whether the server needs a weight: the client's embeddings it does not, but for a decoder's vocabulary."""
    tied = model.architecture.family == "decoder" and name == "embeddings.word.weight"
    return tied or not name.startswith("embeddings.")
