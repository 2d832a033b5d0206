"""The protocol steps of two-party additive sharing with a dealer, on plain tensors of ring elements.

CrypTen's protocol (Beaver products, local truncation, semi-honest parties) without its tensor classes. Every
value is opened under its own fresh, uniformly random mask, so what a party receives is uniformly random and
independent of the secrets. A mask may serve several products of the *same* value, because nothing new is opened
then. So a weight, which does not change, may keep its mask for a session.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch

from pibench.engines.lean.comparison import sign_by_packed_bits, sign_by_words, to_arithmetic
from pibench.engines.lean.dealer import Dealer
from pibench.engines.lean.link import Link, ShapesLink
from pibench.engines.lean.lookup import LookupTable
from pibench.engines.lean.lowering import Read, SecretSharing, public_factor
from pibench.engines.lean.shares import Known, Opening, Shared, joined
from pibench.engines.lean.switches import LEAN, Switches
from pibench.model.architecture import Architecture
from pibench.model.forward import forward
from pibench.model.parameters import Parameter, Weights
from pibench.model.primitives import Value

SERVER, CLIENT = 0, 1
Watch = Callable[[torch.Tensor], None]


class Beaver(SecretSharing):
    """Runs the forward pass on one party's shares; values are :class:`Shared`.

    ``watch`` is shown every share just before a truncation divides it.
    """

    def __init__(
        self, rank: int, link: Link, dealer: Dealer, switches: Switches = LEAN, watch: Watch | None = None
    ) -> None:
        super().__init__(switches)
        self.rank, self.link, self.dealer, self.watch = rank, link, dealer, watch
        self._device = "meta" if isinstance(link, ShapesLink) else "cpu"

    def secret(self, value: torch.Tensor, owner: int) -> Shared:
        """Share the owner's float tensor; the other party passes one of the same shape. No communication."""
        share = self.dealer.zero(value.shape)
        if self.rank == owner:
            share = share + self.encoded(value, self.switches.fraction_bits)
        return Shared(share, self.switches.fraction_bits)

    def weight(self, parameter: Parameter, value: torch.Tensor) -> Shared | Known | torch.Tensor:
        """Prepare a float weight of the server's for the session; the client passes a tensor of its shape.

        A public parameter stays in the clear, and an added one is shared; a factor is opened under a mask for the whole
        session, or known to the server, if the switches say so.
        """
        if parameter.public:
            return self.broadcast(value.contiguous(), SERVER)
        masked = self.switches.weight_masks and parameter.multiplies
        if masked and self.switches.known_weights:
            return self.known(self.encoded(value))
        secret = self.secret(value, SERVER)
        if masked:
            self.keep_open(secret)
        return secret

    def broadcast(self, value: torch.Tensor, owner: int) -> torch.Tensor:
        """Return the owner's tensor, which is public. 1 r."""
        return self.link.broadcast(value, owner)

    def reveal(self, a: Shared) -> torch.Tensor:
        """Open a result to both parties, as floats. 1 r."""
        (opened,) = self.link.sum([a.share])
        return opened.double().div_(2.0**a.fraction).float()

    def open(self, *values: Shared) -> list[Opening]:
        """Open the values that are not open yet, each under its own mask; a bit also as a number. 1 r, or none."""
        values = tuple(
            value.closed() if value.opening and value.opening.sign is not None else value for value in values
        )
        closed = [value for value in values if value.opening is None]
        if not self.switches.open_once:
            fresh = iter(self._open_now(closed))
            return [value.opening or next(fresh) for value in values]
        self.keep_open(*closed)
        return [value.opening for value in values if value.opening is not None]

    def keep_open(self, *values: Shared) -> None:
        """Open values once for all products that they will enter. 1 r, or none."""
        closed = list({id(value): value for value in values if value.opening is None}.values())
        for value, opening in zip(closed, self._open_now(closed), strict=True):
            value.opening = opening

    def known(self, value: torch.Tensor) -> Known:
        """Keep ring elements that the server knows, and give them to the client under a mask. 1 r, once."""
        mask = self.dealer.private(value.shape, SERVER)
        masked = self.link.broadcast(value - mask.share if self.rank == SERVER else value, SERVER)
        return Known(value if self.rank == SERVER else masked, mask, self.switches.fraction_bits)

    def _open_now(self, values: list[Shared]) -> list[Opening]:
        if not values:
            return []
        masks = [self.dealer.share(value.shape) for value in values]
        publics = self.link.sum([value.share - mask.share for value, mask in zip(values, masks, strict=True)])
        return [Opening(public, mask) for public, mask in zip(publics, masks, strict=True)]

    def mul(self, a: Shared, b: Shared | Known) -> Shared:
        """Multiply elementwise. 1 r, or none if both are open already."""
        if isinstance(b, Known):
            return self._by_known("mul", a, b)
        if b.opening is not None and b.opening.sign is not None:
            return self._select(a, b)
        if a.opening is not None and a.opening.sign is not None:
            return self._select(b, a)
        return self._product("mul", a, b)

    def matmul(self, a: Shared, b: Shared) -> Shared:
        return self._product("matmul", a, b)

    def square(self, a: Shared) -> Shared:
        if not self.switches.squares:
            return self.mul(a, a)
        (x,) = self.open(a)
        share = self.dealer.product("mul", x.mask, x.mask)
        share.addcmul_(x.public, a.share + x.mask.share)
        return self._truncated(share, a.fraction, a.fraction)

    def is_negative(self, a: Shared) -> Shared:
        """Return a bit. 6 r, 8 r without packed comparison."""
        packed = self.switches.packed_comparison
        if packed:
            (opened,) = self.open(a)
            sign = sign_by_packed_bits(self.rank, self.link, self.dealer, opened)
        else:
            sign = sign_by_words(self.rank, self.link, self.dealer, a.share)
        share, opening = to_arithmetic(self.rank, self.link, self.dealer, sign, packed)
        return Shared(share, 0, opening if self.switches.open_once else None)

    def lookup(self, a: Shared, tables: Sequence[LookupTable]) -> list[Read]:
        """Read one-time tables (Ishai et al., TCC 2013), rotated and shared by the dealer, at an opened index. 1 r.

        An index is a truncated share modulo the table's size, so that a wrap of the truncation cannot harm it.
        """
        indices = [self._truncated(a.share.clone(), _bits(table.step, a.fraction), 0).share for table in tables]
        turns = [self.dealer.share(a.share.shape, kind=torch.int32) for _ in tables]
        rows = [
            self.dealer.rotated_table(turn, _ring_columns(table, a.fraction))
            for turn, table in zip(turns, tables, strict=True)
        ]
        hidden = [
            (index & table.points - 1).int() - turn.share
            for index, table, turn in zip(indices, tables, turns, strict=True)
        ]
        reads = []
        for place, row, index, table in zip(self.link.sum(hidden), rows, indices, tables, strict=True):
            at = (place.long() & table.points - 1)[..., None].expand(len(row), *place.shape, 1)
            columns = [Shared(column, a.fraction) for column in row.gather(-1, at)[..., 0]]
            beyond = a.share - (index << _bits(table.step, a.fraction))
            reads.append(Read(columns, Shared(beyond, a.fraction)))
        return reads

    def sines(self, a: Shared, weights: Sequence[float], period: float) -> Shared:
        """sin k(d + t) = sin kd cos kt + cos kd sin kt: d = a - t, modulo the period, is opened. 1 r."""
        modulus = round(period) << a.fraction
        turn = self.dealer.share(a.share.shape, kind=torch.int32)
        sin_cos = self.dealer.sin_cos(turn, modulus, len(weights), a.fraction)
        (opened,) = self.link.sum([(a.share & modulus - 1).int() - turn.share])
        angle = (opened.long() & modulus - 1).double() * (2 * math.pi / modulus)
        share = torch.zeros_like(a.share)
        for k, (weight, sine, cosine) in enumerate(zip(weights, sin_cos[0], sin_cos[1], strict=True), 1):
            share += self.encoded(weight * (k * angle).sin()) * cosine
            share += self.encoded(weight * (k * angle).cos()) * sine
        return self._truncated(share, self.switches.fraction_bits, a.fraction)

    def linear(self, a: Shared, weight: Shared | Known, bias: Shared, parts: int = 1) -> Shared:
        if self.switches.folded_weights and a.normalised is not None:
            a = a.normalised
        if isinstance(weight, Known):
            self._sent(a)
            product = self._by_known("matmul", a.reshape(-1, a.shape[-1]), weight.transpose(0, 1))
            return self.add(product, bias).reshape(*a.shape[:-1], weight.shape[0])
        if parts == 1 or self.switches.fused_qkv:
            return super().linear(a, weight, bias)
        if self.switches.open_once:
            self.open(a)
        size = weight.shape[0] // parts
        rows = [slice(part * size, (part + 1) * size) for part in range(parts)]
        return self.concat([super(Beaver, self).linear(a, weight[row], bias[row]) for row in rows], -1)

    def layer_norm(self, a: Shared, weight: Shared | Known, bias: Shared, eps: float) -> Shared:
        normalised = self.standardise(a, eps)
        out = self.add(self.mul(normalised, weight), bias)
        out.normalised = normalised
        return out

    def attention_scores(self, query: Shared, key: Shared, bias: Shared | None = None) -> Shared:
        if not self.switches.folded_weights:
            return super().attention_scores(query, key, bias)
        scores = self.matmul(query, key.transpose(-1, -2))
        return scores if bias is None else self.add(scores, bias)

    def scale(self, a: Shared, constant: float | torch.Tensor) -> Shared:
        """Multiply by a public constant, rounded to as many significant bits as a number has fractional bits."""
        own = self.switches.fraction_bits
        if not isinstance(constant, torch.Tensor) and float(constant).is_integer():
            return Shared(a.share * int(constant), a.fraction)
        if a.fraction == 0:
            return Shared(a.share * self.encoded(constant, own), own)
        factor, bits = public_factor(constant, own)
        return self._truncated(a.share * factor.to(self._device), bits, a.fraction)

    def shift(self, a: Shared, constant: float | torch.Tensor) -> Shared:
        encoded = self.encoded(constant, a.fraction)
        share = a.share + encoded if self.rank == 0 else a.share.clone()
        opening = a.opening
        if opening is None or opening.sign is not None:
            return Shared(share, a.fraction)
        return Shared(share, a.fraction, Opening(opening.public + encoded, opening.mask))

    def encoded(self, constant: float | torch.Tensor, fraction: int | None = None) -> torch.Tensor:
        """Return plain numbers as ring elements, on the device (real, or shapes only) of this run."""
        fraction = self.switches.fraction_bits if fraction is None else fraction
        return _encode(torch.as_tensor(constant), fraction).to(self._device)

    def mask(self, a: Shared, keep: torch.Tensor) -> Shared:
        return Shared(a.share * keep.to(self._device, torch.int64), a.fraction)

    def concat(self, values: Sequence[Value], dim: int) -> Shared:
        return joined(values, lambda tensors: torch.cat(tensors, dim))

    def stack(self, values: Sequence[Value]) -> Shared:
        return joined(values, torch.stack)

    def _product(self, operation: str, a: Shared, b: Shared) -> Shared:
        x, y = self.open(a, b)
        share = self.dealer.product(operation, x.mask, y.mask)
        _accumulate(operation, share, x.public, y.mask.share)
        if self.switches.two_products:
            _accumulate(operation, share, a.share, y.public)
        else:
            _accumulate(operation, share, x.mask.share, y.public)
            both = getattr(torch, operation)(x.public, y.public)
            if self.rank == 0:
                share += both
        return self._truncated(share, min(a.fraction, b.fraction), max(a.fraction, b.fraction))

    def _by_known(self, operation: str, a: Shared, b: Known) -> Shared:
        """Multiply by what the server knows: x b = (x - m) b + m (b - c) + m c for the client's mask m and b's mask c.

        The server has the first product, the client the second, and the dealer shares the third. 1 r, or none.
        """
        x = self._sent(a)
        share = self.dealer.product(operation, x.mask, b.mask)
        _accumulate(operation, share, x.public if self.rank == SERVER else x.mask.share, b.value)
        return self._truncated(share, min(a.fraction, b.fraction), max(a.fraction, b.fraction))

    def _sent(self, a: Shared) -> Opening:
        """Let the server alone learn a value under a mask of the client's. 1 r, or none."""
        if a.sent is None:
            mask = self.dealer.private(a.share.shape, CLIENT)
            if self.rank == SERVER:
                received = self.link.broadcast(torch.empty_like(a.share), CLIENT)
                a.sent = Opening(a.share + received, mask)
            else:
                self.link.broadcast(a.share - mask.share, CLIENT)
                a.sent = Opening(a.share, mask)
        return a.sent

    def _mul_both(self, a: Shared, b: Shared, factor: Shared) -> tuple[Shared, Shared]:
        if not self.switches.open_once:
            return super()._mul_both(a, b, factor)
        self.open(a, b, factor)
        return self.mul(a, factor), self.mul(b, factor)

    def _select(self, a: Shared, bit: Shared) -> Shared:
        """Multiply by an opened bit: public * a + sign * mask * a, for which only ``a`` must be opened."""
        (x,) = self.open(a)
        choice = bit.opening
        assert choice is not None and choice.sign is not None
        share = self.dealer.product("mul", x.mask, choice.mask)
        share += x.public * choice.mask.share
        share *= choice.sign
        share += choice.public * a.share
        return Shared(share, a.fraction)

    def _truncated(self, share: torch.Tensor, bits: int, fraction: int) -> Shared:
        """Drop ``bits`` bits in place: party 0 rounds its share down and party 1 up, which is right on average."""
        if bits == 0:
            return Shared(share, fraction)
        if self.watch is not None:
            self.watch(share)
        if self.rank == 0:
            share >>= bits
        else:
            share.add_((1 << bits) - 1).bitwise_right_shift_(bits)
        return Shared(share, fraction)


def _accumulate(operation: str, share: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    if operation == "mul":
        share.addcmul_(a, b)
    else:
        share += torch.matmul(a, b)


@lru_cache(maxsize=256)
def _ring_columns(table: LookupTable, fraction: int) -> torch.Tensor:
    return _encode(table.columns, fraction)


def _bits(step: float, fraction: int) -> int:
    return fraction + round(math.log2(step))


def _encode(value: torch.Tensor, fraction: int) -> torch.Tensor:
    return (value.double() * 2.0**fraction).round().long()


def private_inference(
    ops: Beaver, architecture: Architecture, weights: Weights, embedded: torch.Tensor, keep: torch.Tensor
) -> torch.Tensor:
    """Share the client's input, run the model and reveal the logits to both parties.

    They have shape (batch, outputs); a decoder's, (batch, 1, outputs), are for the token after the last position.
    The client passes ``embedded`` (batch, seq, hidden) and the mask ``keep`` (batch, seq; int64), the server
    tensors of their shapes.
    """
    with ops.scope("input"):
        secret = ops.secret(embedded, CLIENT)
        mask = ops.broadcast(keep, CLIENT)
    logits = forward(ops, architecture, weights, secret, mask, last=True).logits
    with ops.scope("reveal"):
        return ops.reveal(logits)
