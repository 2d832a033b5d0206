"""CrypTen's transport: every opened tensor is an all_reduce of gloo."""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.distributed as dist

from pibench.engines.lean.link import Link
from pibench.engines.lean.meter import Meter

_WORD = 8


class GlooLink(Link):
    """Opens tensors by gloo, two round trips each, and counts them in a :class:`Meter`."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def sum(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        return self._reduce(parts, dist.ReduceOp.SUM)

    def xor(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        return self._reduce(parts, dist.ReduceOp.BXOR)

    def broadcast(self, tensor: torch.Tensor, owner: int) -> torch.Tensor:
        start = time.perf_counter()
        tensor = tensor.contiguous()
        dist.broadcast(tensor, owner)
        self._meter.log(tensor.nbytes, time.perf_counter() - start, tensor.nbytes if owner == 1 else 0)
        return tensor

    def _reduce(self, parts: list[torch.Tensor], operation: Any) -> list[torch.Tensor]:
        start = time.perf_counter()
        results = [part.clone(memory_format=torch.contiguous_format) for part in parts]
        for work in [dist.all_reduce(result, operation, async_op=True) for result in results]:
            work.wait()
        self._meter.log(2 * sum(part.nbytes for part in parts), time.perf_counter() - start)
        return results


def count_by(meter: Meter, communicator: Any) -> None:
    """Let ``meter`` take over the log of CrypTen's communicator."""
    communicator._log_communication = lambda elements: meter.log(int(elements * _WORD), 0.0)
    communicator._log_communication_time = meter.wait
