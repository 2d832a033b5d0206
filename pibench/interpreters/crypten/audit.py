"""Counts truncation wraps: the one way in which correct two-party fixed point goes wrong by itself.

Each party divides its own share, which is right unless the two shares overflow the ring together; then the
result is off by 2**32 at 16 fractional bits. Nobody can see that in a real run. The audit therefore breaks
the secrecy of the run it watches: before each division party 1 hands the top byte of its share to party 0,
past the meter. Shares of a value below 2**62 have top bytes that add up to about 0, or to about 256 if they wrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

from pibench.interpreters.crypten.compat import import_crypten


@contextmanager
def count_wraps(rank: int) -> Iterator[Callable[[], int]]:
    """While active, count the wraps of every truncation; the yielded function tells the count (party 0's is right)."""
    import_crypten()
    from crypten.mpc.primitives import ArithmeticSharedTensor

    plain = ArithmeticSharedTensor.div_
    wraps = 0

    def audited(self: Any, y: Any) -> Any:
        nonlocal wraps
        if isinstance(y, int):
            wraps += _exchange(self.share, rank)
        return plain(self, y)

    ArithmeticSharedTensor.div_ = audited
    try:
        yield lambda: wraps
    finally:
        ArithmeticSharedTensor.div_ = plain


def _exchange(share: torch.Tensor, rank: int) -> int:
    """Return party 0's count of elements whose two shares overflow; their top bytes tell."""
    top = (share >> 56).to(torch.int8)
    if rank == 1:
        dist.send(top.contiguous(), 0)
        return 0
    other = torch.empty_like(top, memory_format=torch.contiguous_format)
    dist.recv(other, 1)
    return int(((top.to(torch.int16) + other).abs() > 128).sum())
