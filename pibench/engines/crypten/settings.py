"""How CrypTen's own tensors run a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Lowering = Literal["stock", "fair"]


@dataclass(frozen=True)
class Settings:
    """CrypTen's defaults, unless a study changes them."""

    lowering: Lowering = "stock"
    """``stock``: CrypTen's own softmax, GELU, tanh and inverse square root; ``fair``: ours, without tables."""
    prefetch: bool = True
    """The dealer's tuples are made before the clock starts; in an audited run, which is untimed, when they are used."""
    plain_config: bool = False
    """CrypTen's settings are read from a plain object instead of through OmegaConf."""
    raw_sockets: bool = False
    """One full-duplex exchange over a TCP socket per round, instead of gloo's all_reduce."""
    fraction_bits: int = 16

    @property
    def round_trips(self) -> float:
        """Round trips of the network that one round takes."""
        return 0.5 if self.raw_sockets else 2.0


STOCK = Settings()
FAIR = Settings(lowering="fair")
