"""Starts two real party processes on this machine and talks to them.

Spawned, not forked; joined over TCP on loopback; every answer has a deadline. A party that dies, raises or
hangs is a :class:`PartyFailed` that names it.
"""

from __future__ import annotations

import multiprocessing
import socket
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import numpy as np

from pibench.contract import Lowering
from pibench.emulation import End
from pibench.errors import InputError
from pibench.interpreters.crypten.compat import import_crypten
from pibench.interpreters.crypten.party import CLIENT, SERVER, Failure, Inference, main
from pibench.interpreters.switches import Switches
from pibench.model import Model

NAMES = {SERVER: "party 0 (server)", CLIENT: "party 1 (client)"}
_LOOPBACK = End(namespace="", address="127.0.0.1", interface="lo")
_GRACE = 2.0
"""Seconds in which a party's death may explain the other one's broken connection."""


class PartyFailed(RuntimeError):
    """A party crashed, raised or missed its deadline; the message names it and says how."""


class PartyTimeout(PartyFailed):
    """A party gave no answer before the deadline."""


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
        self._deadline = deadline
        self._port = free_port(port)
        self._models_at_once = models_at_once
        self._ends = ends or (_LOOPBACK, _LOOPBACK)
        self._processes: list[SpawnProcess] = []
        self._connections: list[Connection] = []
        self._loaded: list[str] = []

    def __enter__(self) -> Parties:
        context = multiprocessing.get_context("spawn")
        for rank in (SERVER, CLIENT):
            own, theirs = context.Pipe()
            where = (rank, self._port, self._ends[SERVER].address, self._ends[rank], theirs)
            process = context.Process(target=main, args=where, daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._connections.append(own)
        try:
            self._answers()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    @property
    def processes(self) -> list[SpawnProcess]:
        """The server's and the client's process."""
        return self._processes

    def load(self, name: str, model: Model, lowering: Lowering = "fair", switches: Switches | None = None) -> None:
        """Secret-share ``model`` between the parties under ``name``; only the server is given its weights.

        ``switches`` are those of the lowering unless given. The ``models_at_once`` models loaded last are kept,
        to compare them; older ones are dropped.
        """
        if name in self._loaded:
            return
        if len(self._loaded) == self._models_at_once:
            oldest = self._loaded.pop(0)
            self._call("drop", (oldest,), (oldest,))
        state = {key: value.detach().numpy() for key, value in model.state_dict().items() if _served(model, key)}
        head = (name, model.architecture, lowering, switches)
        self._call("load", (*head, state), (*head, None))
        self._loaded.append(name)

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> list[Inference]:
        """Run one batch and return what the server and the client saw.

        Only the client is given ``embedded`` (batch, seq, hidden; float32) and ``keep`` (batch, seq; int64).
        With ``audit``, truncation wraps are counted, which slows the run and breaks its secrecy.
        """
        blank = np.zeros_like(embedded), np.ones_like(keep)
        return self._call("infer", (name, *blank, audit), (name, embedded, keep, audit))

    def _call(self, command: str, server: tuple[Any, ...], client: tuple[Any, ...]) -> list[Any]:
        for rank, arguments in ((SERVER, server), (CLIENT, client)):
            try:
                self._connections[rank].send((command, arguments))
            except OSError as error:
                raise self._blame({rank: Failure(time.monotonic(), "cannot be reached")}) from error
        return self._answers()

    def _answers(self) -> list[Any]:
        answers: dict[int, Any] = {}
        end = time.monotonic() + self._deadline
        while len(answers) < len(NAMES):
            waiting = [rank for rank in NAMES if rank not in answers]
            ready = wait([self._connections[rank] for rank in waiting], max(0.0, end - time.monotonic()))
            if not ready:
                break
            for rank in waiting:
                if self._connections[rank] in ready:
                    answers[rank] = self._receive(rank)
                    if isinstance(answers[rank], Failure):
                        end = min(end, time.monotonic() + _GRACE)
        failures = {rank: answer for rank, answer in answers.items() if isinstance(answer, Failure)}
        if failures:
            raise self._blame(failures)
        if late := [name for rank, name in NAMES.items() if rank not in answers]:
            raise PartyTimeout(f"{', '.join(late)} gave no answer within {self._deadline:g} s")
        return [answers[rank] for rank in (SERVER, CLIENT)]

    def _receive(self, rank: int) -> Any:
        try:
            return self._connections[rank].recv()
        except (EOFError, OSError):
            return Failure(time.monotonic(), "closed its connection")

    def _blame(self, failures: dict[int, Failure]) -> PartyFailed:
        """Name a party that was killed, else the one that failed first: the other only noticed."""
        for rank, process in enumerate(self._processes):
            process.join(_GRACE)
            if process.exitcode is not None and process.exitcode < 0:
                return PartyFailed(f"{NAMES[rank]} was killed by signal {-process.exitcode}")
        first = min(failures, key=lambda rank: failures[rank].when)
        return PartyFailed(f"{NAMES[first]} failed: {failures[first].what}")

    def _kill(self) -> None:
        for process in self._processes:
            if process.is_alive():
                process.kill()
            process.join()
        for connection in self._connections:
            connection.close()


def _served(model: Model, name: str) -> bool:
    """Say whether the server needs a weight: the client's embeddings it does not, but for a decoder's vocabulary."""
    tied = model.architecture.family == "decoder" and name == "embeddings.word.weight"
    return tied or not name.startswith("embeddings.")


def free_port(port: int | None) -> int:
    """Return ``port``, or any free one.

    Raises:
        InputError: it is busy, or no port at all.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port} on 127.0.0.1 is busy or invalid; choose another one or leave it out"
            ) from error
        return probe.getsockname()[1]
