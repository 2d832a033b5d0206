"""What the paper reports for its decoders, copied from its tables of results (AERO v2, arXiv 2410.13060).

Gigabytes and minutes are for one token with SecretFlow's BumbleBee protocols between two 32-core machines over a link
of 100 Mbit/s and 80 ms, embedding and vocabulary projection included. They are never divided by numbers of ours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from baselines.aero.rungs import parse_rung
from pibench.model.architecture import Architecture, Layer

GPT2_LAYER = Layer(heads=12, head_size=64, ffn_size=3072)
GPT2_WORDS = 50257
HIDDEN = 768


@dataclass(frozen=True)
class Reported:
    """One row: layers and tokens of the GPT-2, its configuration, perplexity, traffic and latency, if reported."""

    layers: int
    seq_len: int
    rung: str
    perplexity: float | None
    gigabytes: float | None = None
    minutes: float | None = None

    @property
    def needed_mbits(self) -> float | None:
        """The lowest bandwidth, in Mbit/s, that carries the traffic in this time, half of it each way at once."""
        if self.gigabytes is None or self.minutes is None:
            return None
        return self.gigabytes * 8e3 / 2 / (60 * self.minutes)

    def report(self) -> dict[str, Any]:
        """Return the row as JSON types."""
        return asdict(self) | {"needed_mbits": self.needed_mbits}

    def architecture(self, layers: int) -> Architecture:
        """Return the row's decoder with ``layers`` layers, of which as many lack FFNs as in the row."""
        plain = Architecture(HIDDEN, (GPT2_LAYER,) * layers, GPT2_WORDS, norm_eps=1e-5, family="decoder")
        return parse_rung(self.rung).of(plain, self.seq_len)


REPORTED = (
    Reported(12, 128, "SM+LN+G", 2.69, 25.32, 8.21),
    Reported(12, 128, "SM+LN+R", 2.76, 9.44, 6.06),
    Reported(12, 128, "SM+LN", 3.38),
    Reported(12, 128, "SM+G", 3.20),
    Reported(12, 128, "SM+R", 2.94),
    Reported(12, 128, "SM", None),
    Reported(12, 128, "SM+ScFFN", 3.50, 6.95, 5.68),
    Reported(12, 128, "SM+ScFuFFN", 3.48, 6.43, 4.76),
    Reported(12, 128, "SM+ScFuFFN_i6", 3.54, 6.29, 4.23),
    Reported(12, 128, "EReg(SM(t)+ScFuFFN)", 3.21, 6.43, 4.76),
    Reported(12, 128, "EReg(SM(t)+ScFuFFN_i6)", 3.25, 6.29, 4.23),
    Reported(12, 256, "SM+LN+G", 2.35, 58.51, 16.57),
    Reported(12, 256, "SM+LN+R", 2.41, 26.73, 12.59),
    Reported(12, 256, "SM+ScFFN", 3.04, 21.77, 11.91),
    Reported(12, 256, "SM+ScFuFFN", 3.03, 20.72, 10.45),
    Reported(12, 256, "SM+ScFuFFN_i6", 3.08, 20.59, 10.32),
    Reported(18, 128, "SM+LN+G", 2.56, 37.17, 10.77),
    Reported(18, 128, "SM+LN+R", 2.63, 13.34, 8.04),
    Reported(18, 128, "SM+ScFFN", 3.26, 9.62, 7.23),
    Reported(18, 128, "SM+ScFuFFN", 3.24, 8.83, 6.07),
    Reported(18, 128, "SM+ScFuFFN_i4", 3.27, 8.79, 5.85),
    Reported(12, 512, "SM+LN+G", 23.32, 145.24, 30.74),
    Reported(12, 512, "SM+LN+R", 23.55, 81.71, 23.54),
    Reported(12, 512, "SM+ScFFN", 31.12, 71.76, 21.51),
    Reported(12, 512, "SM+ScFuFFN", 30.82, 69.68, 19.44),
    Reported(12, 512, "SM+ScFuFFN_i1", 31.23, 69.64, 19.11),
)
"""Perplexities are on CodeParrot, where plain SM diverged; at 512 tokens on Languini's books, 2.4 billion tokens."""

PERPLEXITY = {row.rung: row.perplexity for row in REPORTED if (row.layers, row.seq_len) == (12, 128)}
"""At 12 layers and 128 tokens on CodeParrot."""
