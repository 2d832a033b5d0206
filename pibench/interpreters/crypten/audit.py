"""Counts truncation wraps: the one way in which correct two-party fixed point goes wrong by itself.

Each party divides its own share, which is right unless the two shares overflow the ring together; then the
result is off by 2**32 at 16 fractional bits. Nobody can see that in a real run. The audit therefore breaks
the secrecy of the run it watches: party 1 hands its share to party 0 before each division, past the meter.
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
    if rank == 1:
        dist.send(share.contiguous(), 0)
        return 0
    other = torch.empty_like(share, memory_format=torch.contiguous_format)
    dist.recv(other, 1)
    same_sign = (share < 0) == (other < 0)
    return int((same_sign & ((share + other < 0) != (share < 0))).sum())
