"""The wire between the two parties: one full-duplex exchange a round on a TCP or TLS socket.

It counts what is sent and received, and the seconds spent on it, in a :class:`Meter`.
"""

from __future__ import annotations

import select
import socket
import ssl
import time

import torch

from pibench.engines.lean.link import Link
from pibench.engines.lean.meter import Meter

_RETRY_S = 0.02
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a non-blocking socket raises instead of waiting."""


def meet(rank: int, host: str, port: int, seconds: float = 60.0) -> socket.socket:
    """Return a connected socket: party 0 listens on ``host:port``, party 1 tries to connect until it succeeds.

    Raises:
        OSError: the other party did not connect in time.
    """
    if rank == 0:
        with socket.create_server((host, port)) as server:
            server.settimeout(seconds)
            peer, _ = server.accept()
    else:
        peer = _called(host, port, time.monotonic() + seconds)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.setblocking(False)
    return peer


def _called(host: str, port: int, end: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection((host, port), timeout=max(_RETRY_S, end - time.monotonic()))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(_RETRY_S)


class SocketLink(Link):
    """In each round both parties send their shares at once and add what they receive: half a round trip."""

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


def _views(tensors: list[torch.Tensor]) -> list[memoryview]:
    arrays = [tensor.contiguous().numpy().reshape(-1) for tensor in tensors]
    return [memoryview(array.data).cast("B") for array in arrays if array.size]


def _send(peer: socket.socket, views: list[memoryview]) -> bool:
    """Send what the socket accepts now and drop it from ``views``; return whether anything was sent."""
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
