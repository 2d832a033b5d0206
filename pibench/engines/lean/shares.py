"""One party's view of a secret tensor: its additive share and, once opened, the value under its mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pibench.engines.secret import Secret, refuse

Map = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Mask:
    """A random tensor of the ring: this party's share, and the whole, which only the dealer has."""

    share: torch.Tensor
    plain: torch.Tensor | None = None

    def map(self, change: Map) -> Mask:
        """Apply a change of shape."""
        return Mask(change(self.share), None if self.plain is None else change(self.plain))


@dataclass(frozen=True)
class Opening:
    """A value known to both parties under a mask: value = public + mask, or public + sign * mask for a bit."""

    public: torch.Tensor
    mask: Mask
    sign: torch.Tensor | None = None

    def map(self, change: Map) -> Opening:
        """Apply a change of shape."""
        return Opening(change(self.public), self.mask.map(change), None if self.sign is None else change(self.sign))


@dataclass(frozen=True)
class Known(Secret):
    """A fixed-point tensor that the server knows; the client has it under a mask that the server knows too.

    ``value`` is the tensor itself at the server, and the tensor less the mask at the client.
    """

    value: torch.Tensor
    mask: Mask
    fraction: int

    @property
    def shape(self) -> torch.Size:
        """The tensor's shape."""
        return self.value.shape

    def map(self, change: Map) -> Known:
        """Apply a change of shape."""
        return Known(change(self.value), self.mask.map(change), self.fraction)

    def transpose(self, first: int, second: int) -> Known:
        """Return the value with two dimensions exchanged."""
        return self.map(lambda tensor: tensor.transpose(first, second))

    def shapes(self) -> Known:
        """Return the value as shapes only, keeping what the dealer knows of the mask."""
        mask = Mask(self.mask.share.to("meta"), self.mask.plain)
        return Known(self.value.to("meta"), mask, self.fraction)


class Shared(Secret):
    """A party's share of a fixed-point tensor with ``fraction`` fractional bits, as int64 ring elements.

    ``opening`` is kept so that a value is opened once, however often it is multiplied. So is ``sent``, which only the
    server learns, to multiply by weights that it knows. ``normalised`` is the value before LayerNorm's scale and
    shift, where the next weights carry these.
    """

    __slots__ = ("fraction", "normalised", "opening", "sent", "share")

    def __init__(
        self,
        share: torch.Tensor,
        fraction: int,
        opening: Opening | None = None,
        normalised: Shared | None = None,
        sent: Opening | None = None,
    ) -> None:
        self.share, self.fraction, self.opening, self.normalised = share, fraction, opening, normalised
        self.sent = sent

    @property
    def shape(self) -> torch.Size:
        """The tensor's shape."""
        return self.share.shape

    def numel(self) -> int:
        """Return the number of elements."""
        return self.share.numel()

    def map(self, change: Map) -> Shared:
        """Apply a change of shape; an opening goes with it."""
        opening = None if self.opening is None else self.opening.map(change)
        normalised = None if self.normalised is None else self.normalised.map(change)
        sent = None if self.sent is None else self.sent.map(change)
        return Shared(change(self.share), self.fraction, opening, normalised, sent)

    def reshape(self, *shape: int) -> Shared:
        """Return the value with another shape."""
        return self.map(lambda tensor: tensor.reshape(*shape))

    def transpose(self, first: int, second: int) -> Shared:
        """Return the value with two dimensions exchanged."""
        return self.map(lambda tensor: tensor.transpose(first, second))

    def closed(self) -> Shared:
        """Return the value without its opening."""
        return Shared(self.share, self.fraction)

    def shapes(self) -> Shared:
        """Return the value as shapes only, keeping what the dealer knows of its masks."""
        if self.opening is None:
            return Shared(self.share.to("meta"), self.fraction)
        mask = Mask(self.opening.mask.share.to("meta"), self.opening.mask.plain)
        return Shared(self.share.to("meta"), self.fraction, Opening(self.opening.public.to("meta"), mask))

    def __getitem__(self, index: Any) -> Shared:
        return self.map(lambda tensor: tensor[index])

    def sum(self, dim: int, keepdim: bool = False) -> Shared:
        """Return the sum over a dimension."""
        return Shared(self.share.sum(dim, keepdim=keepdim), self.fraction)

    def at(self, fraction: int) -> torch.Tensor:
        """Return the share with ``fraction`` fractional bits, which may not be fewer than it has."""
        return self.share if fraction == self.fraction else self.share << (fraction - self.fraction)

    def __add__(self, other: Shared) -> Shared:
        if not isinstance(other, Shared):
            refuse("add")
        fraction = max(self.fraction, other.fraction)
        return Shared(self.at(fraction) + other.at(fraction), fraction)

    def __sub__(self, other: Shared) -> Shared:
        if not isinstance(other, Shared):
            refuse("sub")
        fraction = max(self.fraction, other.fraction)
        return Shared(self.at(fraction) - other.at(fraction), fraction)


def joined(values: Sequence[Shared], join: Callable[[list[torch.Tensor]], torch.Tensor]) -> Shared:
    """Return ``values`` joined along a dimension, opened if all of them are."""
    share = join([value.share for value in values])
    openings = [value.opening for value in values if value.opening is not None and value.opening.sign is None]
    if len(openings) < len(values):
        return Shared(share, values[0].fraction)
    plains = [opening.mask.plain for opening in openings if opening.mask.plain is not None]
    plain = join(plains) if len(plains) == len(values) else None
    mask = Mask(join([opening.mask.share for opening in openings]), plain)
    return Shared(share, values[0].fraction, Opening(join([opening.public for opening in openings]), mask))
