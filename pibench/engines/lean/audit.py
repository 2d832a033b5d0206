"""Counts truncation wraps: the one error that is inherent in two-party fixed point.

Each party divides its own share, which is right unless the two shares overflow the ring together; then the
result is off by 2**(64 - 2f) at f fractional bits. Nobody can see that in a real run. The audit therefore breaks
the secrecy of the run it watches: before each division party 1 hands the top byte of its share to party 0,
past the meter. Shares of a value below 2**62 have top bytes that add up to about 0, or to about 256 if they wrap.
"""

from __future__ import annotations

import torch

from pibench.engines.lean.link import Link


class WrapCounter:
    """Counts the wraps of the truncations passed to it; party 0 holds the count.

    ``aside`` is a wire whose bytes are not counted.
    """

    def __init__(self, rank: int, aside: Link) -> None:
        self.wraps = 0
        self._rank, self.aside = rank, aside

    def __call__(self, share: torch.Tensor) -> None:
        """Check a share that is about to be divided."""
        top = (share >> 56).to(torch.int8)
        other = self.aside.broadcast(top, owner=1)
        if self._rank == 0:
            self.wraps += int(((top.to(torch.int16) + other).abs() > 128).sum())
