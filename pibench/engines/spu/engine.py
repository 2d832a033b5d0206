"""SPU's protocols as engines of the suite."""

from __future__ import annotations

from typing import Any, ClassVar

from pibench.engines.engine import Engine, Session
from pibench.engines.spu.parties import SpuParties, import_spu
from pibench.engines.spu.protocols import FRACTION_BITS, PROTOCOLS, Protocol
from pibench.errors import InputError
from pibench.model.architecture import Architecture


class SpuEngine(Engine):
    """One of SPU's protocols (Ma et al., USENIX ATC 2023); costs are known only after a run."""

    protocol: ClassVar[Protocol]

    @property
    def settings(self) -> dict[str, Any]:
        """The fixed-point precision."""
        return {"fraction_bits": FRACTION_BITS}

    def missing(self) -> str | None:
        try:
            import_spu()
        except InputError as error:
            return str(error)
        return None

    def security(self, session: Session) -> dict[str, Any]:
        return dict(self.protocol.security)

    def predict(self, architecture: Architecture, batch: int, seq_len: int) -> None:
        return None

    def start(self, session: Session) -> SpuParties:
        return SpuParties(self.protocol, session)


class Semi2k(SpuEngine):
    """SEMI2K: two parties, with a dealer at party 0."""

    name, title, protocol = "spu-semi2k", "SEMI2K", PROTOCOLS["semi2k"]


class Aby3(SpuEngine):
    """ABY3: three parties with an honest majority."""

    name, title, protocol = "spu-aby3", "ABY3", PROTOCOLS["aby3"]


class Cheetah(SpuEngine):
    """CHEETAH: two parties, by homomorphic encryption and oblivious transfer."""

    name, title, protocol = "spu-cheetah", "CHEETAH", PROTOCOLS["cheetah"]
