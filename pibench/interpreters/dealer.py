"""The dealer's correlated randomness: what an offline phase would bring to both parties.

A trusted first party stands in for that phase, as in CrypTen: party 0 makes every tuple, and party 1's shares
come from randomness that both have, so that nothing is sent. It gives no privacy against party 0, and its
generator is not cryptographic.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

import numpy as np
import torch

from pibench.interpreters.shared import Mask

Make = Callable[[], torch.Tensor]


class Dealer(ABC):
    """Hands out tuples in the order in which the protocol asks for them."""

    @abstractmethod
    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        """Return a sharing of what ``make`` returns, or of a random tensor.

        The sharing is additive in the 64-bit ring, or with ``live``, a mask of the bits in use, by XOR.
        ``make`` is called where the dealer sits and nowhere else.
        """

    @abstractmethod
    def private(self, shape: torch.Size, owner: int) -> Mask:
        """Return a random mask that ``owner`` knows; the other party has its shape alone."""

    def product(self, operation: str, a: Mask, b: Mask) -> torch.Tensor:
        """Return a share of the product of two masks; ``operation`` is ``mul`` or ``matmul``."""
        multiply = getattr(torch, operation)
        shape = _product_shape(operation, a.share.shape, b.share.shape)
        return self.share(shape, lambda: multiply(known(a), known(b))).share

    def conjunction(self, a: Mask, b: Mask, live: int) -> torch.Tensor:
        """Return an XOR share of the AND of two masks of bits, which broadcast."""
        shape = torch.broadcast_shapes(a.share.shape, b.share.shape)
        return self.share(shape, lambda: known(a) & known(b), a.share.dtype, live).share

    def turned(self, turn: Mask, columns: torch.Tensor) -> torch.Tensor:
        """Return a share of ``columns`` (functions, points) for each element of ``turn``, turned on by so many points.

        The shape is (functions, *turn, points).
        """
        points = columns.shape[-1]
        shape = torch.Size((len(columns), *turn.share.shape, points))
        return self.share(shape, lambda: columns[:, known(turn)[..., None] + torch.arange(points) & points - 1]).share

    def waves(self, turn: Mask, modulus: int, count: int, fraction: int) -> torch.Tensor:
        """Return a share of sin and cos of 2 pi k turn / modulus for k = 1 ... count: (2, count, *turn's shape)."""

        def make() -> torch.Tensor:
            angle = (known(turn).long() & modulus - 1).double() * (2 * math.pi / modulus)
            angles = torch.stack([k * angle for k in range(1, count + 1)])
            return (torch.stack([angles.sin(), angles.cos()]) * 2.0**fraction).round().long()

        return self.share(torch.Size((2, count, *turn.share.shape)), make).share

    def zero(self, shape: torch.Size) -> torch.Tensor:
        """Return a share of zero, for a party to hide its input behind."""
        return self.share(shape, lambda: torch.zeros(shape, dtype=torch.int64)).share


def _product_shape(operation: str, a: torch.Size, b: torch.Size) -> torch.Size:
    """Return the shape of a product without making one: torch takes longer for shapes than for numbers."""
    if operation == "mul":
        return torch.Size(np.broadcast_shapes(a, b))
    return torch.Size((*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1]))


def known(mask: Mask) -> torch.Tensor:
    """Return the whole of a mask, where the dealer sits."""
    assert mask.plain is not None
    return mask.plain


class FirstParty(Dealer):
    """Makes tuples on demand; ``seed`` is the randomness that both parties have."""

    def __init__(self, rank: int, seed: int) -> None:
        self._rank = rank
        self._common = np.random.default_rng(seed)
        self._own = np.random.default_rng(int.from_bytes(os.urandom(16), "little"))

    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        theirs = _random(self._common, shape, kind, live)
        if self._rank:
            return Mask(theirs)
        if make is None:
            mine = _random(self._own, shape, kind, live)
            return Mask(mine, mine + theirs if live is None else mine ^ theirs)
        plain = make()
        return Mask(plain - theirs if live is None else plain ^ theirs, plain)

    def private(self, shape: torch.Size, owner: int) -> Mask:
        nothing = torch.empty(shape, dtype=torch.int64, device="meta")
        if self._rank and self._rank != owner:
            return Mask(nothing)
        plain = _random(self._common if owner else self._own, shape, torch.int64, None)
        return Mask(plain if self._rank == owner else nothing, None if self._rank else plain)


class Store(Dealer):
    """Keeps the tuples that a run on shapes alone asks for, to hand them out, in the same order, to a real one."""

    def __init__(self, source: Dealer) -> None:
        self._source = source
        self._kept: deque[torch.Tensor] = deque()

    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        made = self._source.share(shape, make, kind, live)
        self._kept.append(made.share)
        return Mask(made.share.to("meta"), made.plain)

    def private(self, shape: torch.Size, owner: int) -> Mask:
        made = self._source.private(shape, owner)
        self._kept.append(made.share)
        return Mask(made.share.to("meta"), made.plain)

    def prefetched(self) -> Dealer:
        """Return the dealer that hands out what was kept."""
        return _Prefetched(self._kept)


class _Prefetched(Dealer):
    def __init__(self, kept: deque[torch.Tensor]) -> None:
        self._kept = kept

    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        return Mask(self._next(shape, kind))

    def private(self, shape: torch.Size, owner: int) -> Mask:
        return Mask(self._next(shape, torch.int64))

    def _next(self, shape: torch.Size, kind: torch.dtype) -> torch.Tensor:
        tensor = self._kept.popleft()
        if tensor.shape != shape or tensor.dtype != kind:
            raise RuntimeError(
                f"a tuple of shape {tuple(tensor.shape)} was prefetched where {tuple(shape)} is asked for"
            )
        return tensor


def _random(generator: np.random.Generator, shape: torch.Size, kind: torch.dtype, live: int | None) -> torch.Tensor:
    words = generator.integers(-(2**63), 2**63 - 1, -(-shape.numel() * kind.itemsize // 8), np.int64, endpoint=True)
    tensor = torch.from_numpy(words).view(kind)[: shape.numel()].reshape(shape)
    return tensor if live is None else tensor & live
