"""The dealer's correlated randomness: what an offline phase would supply to both parties.

A party draws its shares from randomness that it shares with the dealer, so they need not be sent. Only party 0's
shares of computed values, such as a product of masks, cannot be drawn.
"""

from __future__ import annotations

import hashlib
import math
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from itertools import count

import numpy as np
import torch

from pibench.engines.lean.shares import Mask

Make = Callable[[], torch.Tensor]
Words = Callable[[int], np.ndarray]
"""Returns the given number of random 64-bit words, fresh ones on each call."""
Receive = Callable[[torch.Size, torch.dtype], torch.Tensor]


class Dealer(ABC):
    """Supplies tuples in the order in which the protocol asks for them."""

    @abstractmethod
    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        """Return a sharing of what ``make`` returns, or of a random tensor.

        The sharing is additive in the 64-bit ring, or with ``live``, a mask of the bits in use, by XOR.
        ``make`` is called only where the dealer runs.
        """

    @abstractmethod
    def private(self, shape: torch.Size, owner: int) -> Mask:
        """Return a random mask that ``owner`` knows; the other party knows only its shape."""

    def product(self, operation: str, a: Mask, b: Mask) -> torch.Tensor:
        """Return a share of the product of two masks; ``operation`` is ``mul`` or ``matmul``."""
        multiply = getattr(torch, operation)
        shape = _product_shape(operation, a.share.shape, b.share.shape)
        return self.share(shape, lambda: multiply(known(a), known(b))).share

    def conjunction(self, a: Mask, b: Mask, live: int) -> torch.Tensor:
        """Return an XOR share of the AND of two masks of bits, which broadcast."""
        shape = torch.broadcast_shapes(a.share.shape, b.share.shape)
        return self.share(shape, lambda: known(a) & known(b), a.share.dtype, live).share

    def rotated_table(self, turn: Mask, columns: torch.Tensor) -> torch.Tensor:
        """Return a share of ``columns`` (functions, points), rotated by so many points for each element of ``turn``.

        The shape is (functions, *turn, points).
        """
        points = columns.shape[-1]
        shape = torch.Size((len(columns), *turn.share.shape, points))
        return self.share(shape, lambda: columns[:, known(turn)[..., None] + torch.arange(points) & points - 1]).share

    def sin_cos(self, turn: Mask, modulus: int, count: int, fraction: int) -> torch.Tensor:
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
    """Return the shape of a product without computing it: torch is slower on meta tensors than on numbers."""
    if operation == "mul":
        return torch.Size(np.broadcast_shapes(a, b))
    return torch.Size((*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1]))


def known(mask: Mask) -> torch.Tensor:
    """Return the whole mask, where the dealer runs."""
    assert mask.plain is not None
    return mask.plain


class Maker(Dealer):
    """The dealer itself: makes every tuple from the randomness that party 0 and party 1 have."""

    def __init__(self, server: Words, client: Words) -> None:
        self._words = server, client

    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        theirs = _random(self._words[1], shape, kind, live)
        if make is None:
            mine = _random(self._words[0], shape, kind, live)
            return Mask(mine, mine + theirs if live is None else mine ^ theirs)
        plain = make()
        return Mask(plain - theirs if live is None else plain ^ theirs, plain)

    def private(self, shape: torch.Size, owner: int) -> Mask:
        plain = _random(self._words[owner], shape, torch.int64, None)
        return Mask(_nothing(shape) if owner else plain, plain)


class Drawn(Dealer):
    """A party's end of a dealer that runs elsewhere: its shares come from ``words``.

    Party 0's shares of computed values come from ``receive``; party 1 receives none.
    """

    def __init__(self, rank: int, words: Words, receive: Receive | None = None) -> None:
        self._rank, self._words, self._receive = rank, words, receive

    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        if make is not None and self._receive is not None:
            return Mask(self._receive(shape, kind))
        return Mask(_random(self._words, shape, kind, live))

    def private(self, shape: torch.Size, owner: int) -> Mask:
        return Mask(_random(self._words, shape, torch.int64, None) if owner == self._rank else _nothing(shape))


def first_party(rank: int, seed: int) -> Dealer:
    """Return a party's end of a dealer that runs at party 0, as CrypTen's does; both parties have the ``seed``.

    It gives no privacy against party 0, so its generator need not be cryptographic.
    """
    common = fast_words(seed)
    return Drawn(rank, common) if rank else Maker(fast_words(int.from_bytes(os.urandom(16), "little")), common)


def fast_words(seed: int) -> Words:
    """Return words of NumPy's generator, which is predictable: enough words reveal the rest."""
    generator = np.random.default_rng(seed)
    return lambda size: generator.integers(-(2**63), 2**63 - 1, size, np.int64, endpoint=True)


def secure_words(key: bytes) -> Words:
    """Return words of SHAKE-128 (FIPS 202) over ``key`` and a counter, unpredictable without the key."""
    numbers = count()

    def words(size: int) -> np.ndarray:
        block = hashlib.shake_128(key + next(numbers).to_bytes(8, "little")).digest(8 * size)
        return np.frombuffer(bytearray(block), np.int64)

    return words


class OnShapes(Dealer):
    """Deals in a run on shapes: the tuples of ``source`` are made, but their shares go elsewhere."""

    def __init__(self, source: Dealer) -> None:
        self._source = source

    @abstractmethod
    def put(self, share: torch.Tensor, drawn: bool) -> None:
        """Take a share, which was ``drawn`` or made."""

    def share(
        self, shape: torch.Size, make: Make | None = None, kind: torch.dtype = torch.int64, live: int | None = None
    ) -> Mask:
        return self._put(self._source.share(shape, make, kind, live), make is None)

    def private(self, shape: torch.Size, owner: int) -> Mask:
        return self._put(self._source.private(shape, owner), True)

    def _put(self, mask: Mask, drawn: bool) -> Mask:
        self.put(mask.share, drawn)
        return Mask(mask.share.to("meta"), mask.plain)


class Delivery(OnShapes):
    """Passes party 0's shares of computed values to ``deliver``."""

    def __init__(self, source: Maker, deliver: Callable[[torch.Tensor], None]) -> None:
        super().__init__(source)
        self._deliver = deliver

    def put(self, share: torch.Tensor, drawn: bool) -> None:
        if not drawn:
            self._deliver(share)


class Store(OnShapes):
    """Keeps the tuples that a run on shapes asks for, to supply them in the same order to a real run."""

    def __init__(self, source: Dealer) -> None:
        super().__init__(source)
        self._kept: deque[torch.Tensor] = deque()

    def put(self, share: torch.Tensor, drawn: bool) -> None:
        self._kept.append(share)

    def prefetched(self) -> Dealer:
        """Return the dealer that supplies the kept tuples."""
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


def _random(words: Words, shape: torch.Size, kind: torch.dtype, live: int | None) -> torch.Tensor:
    drawn = words(-(-shape.numel() * kind.itemsize // 8))
    tensor = torch.from_numpy(drawn).view(kind)[: shape.numel()].reshape(shape)
    return tensor if live is None else tensor & live


def _nothing(shape: torch.Size) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.int64, device="meta")
