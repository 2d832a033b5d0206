"""SPU's parties on this machine: one process each, joined over TCP on loopback."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pibench.engines.engine import Inference, Parties, Session
from pibench.engines.spu.counters import Counters, counters
from pibench.engines.spu.party import View, main
from pibench.engines.spu.protocols import Protocol
from pibench.errors import InputError
from pibench.model.module import Model
from pibench.net.processes import Processes, free_port

if TYPE_CHECKING:
    from pibench.engines.spu.program import Program

NEEDS = "SPU is not installed here: run `nox -s spu -- run`, which installs it in a separate environment"


@dataclass(frozen=True)
class SpuRun:
    """One run: the revealed output, seconds, and each party's counters."""

    output: np.ndarray
    seconds: float
    parties: Sequence[Counters]

    @property
    def bytes_sent(self) -> list[int]:
        """Bytes that each party sent."""
        return [party.sent for party in self.parties]


class SpuParties(Parties):
    """Running parties of one protocol; a loaded model is traced anew for each input.

    Raises:
        InputError: SPU is not installed.
        PartyFailed: a party did not start.
    """

    def __init__(self, protocol: Protocol, session: Session) -> None:
        self._spu = import_spu()
        self._protocol, self._session = protocol, session
        self.running = Processes([f"party {rank}" for rank in range(protocol.parties)], session.deadline)
        self._folder = tempfile.TemporaryDirectory()
        self._models: dict[str, Model] = {}

    def __enter__(self) -> Self:
        addresses = [f"127.0.0.1:{free_port(None)}" for _ in self.running.names]
        logs = [Path(self._folder.name) / f"party{rank}.log" for rank in range(len(addresses))]
        self.running.start(
            [
                partial(main, rank, addresses, self._protocol.runtime, log, self._session.deadline)
                for rank, log in enumerate(logs)
            ]
        )
        return self

    def __exit__(self, *raised: object) -> None:
        self.running.kill()
        self._folder.cleanup()

    @property
    def processes(self) -> list[Any]:
        """The parties' processes."""
        return self.running.processes

    def load(self, name: str, model: Model) -> None:
        if name not in self._models and len(self._models) == self._session.models_at_once:
            del self._models[next(iter(self._models))]
        self._models.setdefault(name, model)

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> Inference:
        from pibench.engines.spu.program import program

        run = self.run(program(self._models[name], embedded, keep))
        rounds = run.parties[0].actions if self._protocol.rounds else None
        return Inference(run.output, run.seconds, run.bytes_sent, rounds)

    def run(self, program: Program) -> SpuRun:
        """Share a program's inputs, run it, and return its output with what each party counted."""
        io = self._io()
        by_party: list[dict[str, Any]] = [{} for _ in self.running.names]
        for one in program.inputs:
            owner = one.owner if self._protocol.private else -1
            shares = io.make_shares(one.value, self._spu.Visibility.VIS_SECRET, owner)
            for own, share in zip(by_party, shares, strict=True):
                own[one.name] = (share.meta, list(share.share_chunks))
        views: list[View] = self.running.call([("run", (program.code, own, program.outputs)) for own in by_party])
        output = io.reconstruct([self._share(view.outputs[0]) for view in views])
        return SpuRun(output, max(view.seconds for view in views), [counters(view.log) for view in views])

    def _io(self) -> Any:
        from spu.api import Io

        config = self._spu.RuntimeConfig()
        config.ParseFromJsonString(self._protocol.runtime)
        return Io(self._protocol.parties, config)

    def _share(self, value: tuple[bytes, list[bytes]]) -> Any:
        share = self._spu.Share()
        share.meta, share.share_chunks = value
        return share


def import_spu() -> Any:
    """Return SPU's library.

    Raises:
        InputError: it is not installed.
    """
    try:
        from spu import libspu
    except ImportError as error:
        raise InputError(NEEDS) from error
    return libspu
