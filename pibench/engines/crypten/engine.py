"""CrypTen as an engine of the suite, with its stock lowering."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any, Self

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.crypten.ledger import CryptenLedger, StockLedger
from pibench.engines.crypten.party import main
from pibench.engines.crypten.settings import STOCK, Settings
from pibench.engines.engine import Engine, Parties, Prediction, Session
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.parties import TwoParties
from pibench.engines.lean.protocol import CLIENT, SERVER
from pibench.engines.security import two_parties
from pibench.errors import InputError
from pibench.model.architecture import Architecture
from pibench.model.module import Model
from pibench.net.processes import free_port


class CryptenParties(TwoParties):
    """The parties of CrypTen: its own tensors, transport and dealer."""

    def __enter__(self) -> Self:
        import_crypten()
        ports = self._port, free_port(None)
        host = self._ends[SERVER].address
        self.running.start([partial(main, rank, ports, host, self._ends[rank]) for rank in (SERVER, CLIENT)])
        return self

    def load(self, name: str, model: Model, settings: Settings = STOCK) -> None:
        self._load(name, model, settings)


class Crypten(Engine):
    """CrypTen 0.4.1 (Knott et al., NeurIPS 2021), unchanged."""

    name, title, round_trips = "crypten", "CrypTen", STOCK.round_trips

    @property
    def settings(self) -> dict[str, Any]:
        """The lowering, and how it runs."""
        return asdict(STOCK)

    def missing(self) -> str | None:
        try:
            import_crypten()
        except InputError as error:
            return str(error)
        return None

    def check(self, session: Session) -> None:
        super().check(session)
        free_port(session.port)

    def security(self, session: Session) -> dict[str, Any]:
        return two_parties(session.dealer)

    def predict(self, architecture: Architecture, batch: int, seq_len: int) -> Prediction:
        return predicted(architecture, batch, seq_len)

    def start(self, session: Session) -> Parties:
        return CryptenParties(session)


def predicted(architecture: Architecture, batch: int, seq_len: int, settings: Settings = STOCK) -> Prediction:
    """Return what one inference costs on CrypTen's own tensors, run by ``settings``."""
    ledger = StockLedger() if settings.lowering == "stock" else CryptenLedger()
    return predict(architecture, batch, seq_len, ledger).prediction()
