"""The lean engine as an engine of the suite."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pibench.engines.engine import Emulation, Engine, Parties, Prediction, Session
from pibench.engines.lean.calibrate import calibrate
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.parties import LeanParties
from pibench.engines.lean.remote import Listener, RemoteParties, parse_address
from pibench.engines.lean.rescale import rescaled
from pibench.engines.lean.switches import LEAN
from pibench.engines.security import two_parties
from pibench.errors import InputError
from pibench.model.architecture import Architecture
from pibench.model.module import Model
from pibench.net.processes import free_port
from pibench.tasks.data import Split


class Lean(Engine):
    """Our own engine: two parties with a dealer, the protocol steps of :mod:`pibench.engines.lean.protocol`."""

    name, title, round_trips = "lean", "lean", 0.5

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, Path], Listener] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """The switches of the engine."""
        return asdict(LEAN)

    def check(self, session: Session) -> None:
        free_port(session.port)
        if session.dealer == "third-party" and session.listen is not None:
            raise InputError("--dealer third-party runs on one machine: leave --listen out")
        if session.listen is not None:
            self._listener(session.listen, session.certificates)

    def security(self, session: Session) -> dict[str, Any]:
        return two_parties(session.dealer)

    def predict(self, architecture: Architecture, batch: int, seq_len: int) -> Prediction:
        return predict(architecture, batch, seq_len).prediction()

    def start(self, session: Session) -> Parties:
        if session.listen is None:
            return LeanParties(session)
        return RemoteParties(session, self._listener(session.listen, session.certificates))

    def prepared(self, model: Model, split: Split, pad_id: int) -> Model:
        return rescaled(model, split, pad_id)

    def emulate(self, model: Model, split: Split, pad_id: int, seed: int) -> Emulation:
        return predict_fixed(model, split, pad_id, LEAN, seed)

    def outside_domain(self, model: Model, split: Split, pad_id: int) -> list[dict[str, Any]]:
        return [asdict(seen) for seen in calibrate(model, split, pad_id) if seen.outside]

    def _listener(self, address: str, certificates: Path | None) -> Listener:
        """Return party 0's listener, which stays open from one session to the next."""
        if certificates is None:
            raise InputError("--listen needs --certificates: parties on two machines use only TLS")
        key = address, certificates
        if key not in self._listeners:
            self._listeners[key] = Listener(parse_address(address), certificates)
        return self._listeners[key]
