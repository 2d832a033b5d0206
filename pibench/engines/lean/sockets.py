"""The wires between the two parties: one full-duplex exchange a round on a TCP or TLS socket, or gloo's all_reduce.

Both count what they send and receive, and the seconds spent on it, in a :class:`Meter`.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from pibench.engines.lean.link import Link
from pibench.engines.lean.meter import Meter

_CONNECT_S = 60.0
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that would have to wait."""


def connect(rank: int, host: str, agree: Callable[[int], int]) -> socket.socket:
    """Return a connected socket: party 0 listens on ``host``, party 1 calls.

    ``agree`` returns party 0's number, here the port, at both parties.

    Raises:
        OSError: the other party did not come in a minute.
    """
    if rank == 0:
        with socket.create_server((host, 0)) as server:
            server.settimeout(_CONNECT_S)
            agree(server.getsockname()[1])
            peer, _ = server.accept()
    else:
        peer = socket.create_connection((host, agree(0)), timeout=_CONNECT_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.setblocking(False)
    return peer


class SocketLink(Link):
    """Each round, both parties send their shares at once and add up what they have and get: half a round trip."""

    def __init__(self, rank: int, peer: socket.socket, meter: Meter) -> None:
        self._rank, self._peer, self._meter = rank, peer, meter

    def sum(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        return [theirs.add_(own) for own, theirs in zip(parts, self._exchange(parts), strict=True)]

    def xor(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        return [theirs.bitwise_xor_(own) for own, theirs in zip(parts, self._exchange(parts), strict=True)]

    def broadcast(self, tensor: torch.Tensor, owner: int) -> torch.Tensor:
        if self._rank == owner:
            self._transfer([tensor], [], one_way=owner)
            return tensor
        out = torch.empty_like(tensor, memory_format=torch.contiguous_format)
        self._transfer([], [out], one_way=owner)
        return out

    def _exchange(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        theirs = [torch.empty_like(part, memory_format=torch.contiguous_format) for part in parts]
        self._transfer(parts, theirs)
        return theirs

    def _transfer(self, outgoing: list[torch.Tensor], incoming: list[torch.Tensor], one_way: int | None = None) -> None:
        start = time.perf_counter()
        out, into = _views(outgoing), _views(incoming)
        total = sum(map(len, out)) + sum(map(len, into))
        while out or into:
            if not (_receive(self._peer, into) | _send(self._peer, out)):
                select.select([self._peer] if into else [], [self._peer] if out else [], [])
        self._meter.log(total, time.perf_counter() - start, total if one_way == 1 else 0)


class GlooLink(Link):
    """CrypTen's transport: every opened tensor is an all_reduce of gloo, two round trips."""

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


def _views(tensors: list[torch.Tensor]) -> list[memoryview]:
    arrays = [tensor.contiguous().numpy().reshape(-1) for tensor in tensors]
    return [memoryview(array.data).cast("B") for array in arrays if array.size]


def _send(peer: socket.socket, views: list[memoryview]) -> bool:
    """Send what the socket takes now, dropping it from ``views``; say whether it took anything."""
    if not views:
        return False
    try:
        count = peer.send(views[0])
    except _LATER:
        return False
    _advance(views, count)
    return True


def _receive(peer: socket.socket, views: list[memoryview]) -> bool:
    if not views:
        return False
    try:
        count = peer.recv_into(views[0])
    except _LATER:
        return False
    if count == 0:
        raise ConnectionError("the other party closed the connection")
    _advance(views, count)
    return True


def _advance(views: list[memoryview], count: int) -> None:
    """Drop the first ``count`` bytes, all of the first view's, from ``views``."""
    views[0] = views[0][count:]
    if not views[0]:
        views.pop(0)
