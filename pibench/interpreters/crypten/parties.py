"""A server and a client on this machine, in two real processes joined over TCP on loopback."""

from __future__ import annotations

from multiprocessing.context import SpawnProcess
from types import TracebackType

import numpy as np

from pibench.contract import Lowering
from pibench.emulation import End
from pibench.interpreters.beaver import CLIENT, SERVER
from pibench.interpreters.crypten.compat import import_crypten
from pibench.interpreters.crypten.direct import Inference
from pibench.interpreters.crypten.party import main
from pibench.interpreters.processes import Processes, free_port
from pibench.interpreters.switches import Switches
from pibench.model import Model

_NAMES = {SERVER: "party 0 (server)", CLIENT: "party 1 (client)"}
_LOOPBACK = End(namespace="", address="127.0.0.1", interface="lo")


class Parties:
    """A running server and client; use as a context manager.

    ``deadline`` is the longest wait for any one answer, in seconds. Without ``port`` a free one is taken. With
    ``ends`` each party runs at its end of an emulated link instead of on loopback.

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
    ) -> None:
        import_crypten()
        self._running = Processes([_NAMES[SERVER], _NAMES[CLIENT]], deadline)
        self._port = free_port(port)
        self._models_at_once = models_at_once
        self._ends = ends or (_LOOPBACK, _LOOPBACK)
        self._loaded: list[str] = []

    def __enter__(self) -> Parties:
        host = self._ends[SERVER].address
        self._running.start(main, [(rank, self._port, host, self._ends[rank]) for rank in (SERVER, CLIENT)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.kill()

    @property
    def processes(self) -> list[SpawnProcess]:
        """The server's and the client's process."""
        return self._running.processes

    def load(self, name: str, model: Model, lowering: Lowering = "fair", switches: Switches | None = None) -> None:
        """Secret-share ``model`` between the parties under ``name``; only the server is given its weights.

        ``switches`` are those of the lowering unless given. The ``models_at_once`` models loaded last are kept,
        to compare them; older ones are dropped.
        """
        if name in self._loaded:
            return
        if len(self._loaded) == self._models_at_once:
            oldest = self._loaded.pop(0)
            self._running.call([("drop", (oldest,))] * 2)
        state = {key: value.detach().numpy() for key, value in model.state_dict().items() if _served(model, key)}
        head = (name, model.architecture, lowering, switches)
        self._running.call([("load", (*head, state)), ("load", (*head, None))])
        self._loaded.append(name)

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> list[Inference]:
        """Run one batch and return what the server and the client saw.

        Only the client is given ``embedded`` (batch, seq, hidden; float32) and ``keep`` (batch, seq; int64).
        With ``audit``, truncation wraps are counted, which slows the run and breaks its secrecy.
        """
        blank = np.zeros_like(embedded), np.ones_like(keep)
        return self._running.call([("infer", (name, *blank, audit)), ("infer", (name, embedded, keep, audit))])


def _served(model: Model, name: str) -> bool:
    """Say whether the server needs a weight: the client's embeddings it does not, but for a decoder's vocabulary."""
    tied = model.architecture.family == "decoder" and name == "embeddings.word.weight"
    return tied or not name.startswith("embeddings.")
