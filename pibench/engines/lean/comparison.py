"""Is a secret number negative? The sign of value = public + mask, from the carry of that addition.

Bits are shared by XOR. An AND of two shared bits opens both under masks, like a Beaver product.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch

from pibench.engines.lean.dealer import Dealer, known
from pibench.engines.lean.link import Link
from pibench.engines.lean.shares import Mask, Opening

GROUPS = 16
"""Groups of four bits, whose carry costs no communication: the dealer supplies the products of their mask bits."""

_REVERSALS = ((31, 0x00000000AAAAAAAA), (14, 0x0000CCCC0000CCCC), (4, 0x00F000F000F000F0))
"""Shifts and positions of the exchanges that reverse the six bits of a bit's position in a word."""


def sign_by_packed_bits(rank: int, link: Link, dealer: Dealer, opened: Opening) -> torch.Tensor:
    """Return an XOR share of the sign bit, uint8; 4 r, 11 bytes an element, both directions.

    Carries of groups of four bits are local; a tree of ANDs joins the 16 groups, only live bits being sent.
    """
    public, mask = opened.public, opened.mask
    top = dealer.share(mask.share.shape, lambda: _top(known(mask)), torch.uint8, live=1)
    generate, propagate = _group_carries(rank, dealer, public, mask)
    width = GROUPS // 2
    low, high = (slice(None), 0), (slice(None), 1)  # neighbouring groups lie in neighbouring bytes
    g, p = (word.reshape(-1, 1).view(torch.uint8) for word in (generate, propagate))
    below, above = (g[low], p[low]), (g[high], p[high])
    while True:
        terms = [below[0]] if width == 1 else [below[0], below[1]]
        products = _and(link, dealer, above[1], terms, width)
        carry = above[0] ^ products[0]
        if width == 1:
            break
        width //= 2
        live = (1 << width) - 1
        below = carry & live, products[1] & live
        above = carry >> width, products[1] >> width
    sign = carry.reshape(public.shape) ^ top.share
    return sign ^ _top(public) if rank == 0 else sign


def sign_by_words(rank: int, link: Link, dealer: Dealer, share: torch.Tensor) -> torch.Tensor:
    """Return an XOR share of the sign bit, uint8, by CrypTen's circuit; 7 r, 416 bytes an element.

    The two arithmetic shares are added bit by bit, whole words being sent at every level of the carry tree.
    """
    zero = [
        dealer.share(share.shape, lambda: torch.zeros(share.shape, dtype=torch.int64), live=-1).share for _ in range(2)
    ]
    x, y = (word ^ share if rank == owner else word for owner, word in enumerate(zero))
    (generate,) = _and(link, dealer, x, [y])
    propagate = x ^ y
    sign = propagate
    for level in range(6):
        span = 1 << level
        into = sum(1 << bit for bit in range(64) if bit >> level & 1)
        source = sum(1 << bit for bit in range(64) if bit % (2 * span) == span - 1)
        fans = [(word & _signed(source)) * _signed((1 << (span + 1)) - 2) for word in (generate, propagate)]
        update = _and(link, dealer, propagate & _signed(into), fans, broadcast=True)
        generate = generate ^ update[0]
        propagate = propagate & _signed(~into) ^ update[1]
    return ((sign ^ generate << 1) >> 63 & 1).to(torch.uint8)


def to_arithmetic(
    rank: int, link: Link, dealer: Dealer, sign: torch.Tensor, packed: bool
) -> tuple[torch.Tensor, Opening]:
    """Open a bit shared by XOR under a random one, and return its arithmetic share and that opening. 1 r."""
    hidden = dealer.share(sign.shape, kind=torch.uint8, live=1)
    mask = dealer.share(sign.shape, lambda: known(hidden).long())
    blinded = (sign ^ hidden.share).reshape(-1)
    (opened,) = link.xor([pack(blinded, 1) if packed else blinded.long()])
    public = (unpack(opened, 1, blinded.numel()) if packed else opened).reshape(sign.shape).long()
    direction = 1 - 2 * public
    share = direction * mask.share
    return share + public if rank == 0 else share, Opening(public, mask, direction)


def _top(words: torch.Tensor) -> torch.Tensor:
    return (words >> 63 & 1).to(torch.uint8)


def _group_carries(rank: int, dealer: Dealer, public: torch.Tensor, mask: Mask) -> tuple[torch.Tensor, torch.Tensor]:
    """Return XOR shares of each group's carry-out and of its propagation, 16 bits an element.

    With public bits e and secret mask bits a, a group's carry is a polynomial in a whose monomials the dealer
    shares. A pair of bits has carry e1 a1 + e1 e0 a0 + e0 a1 a0 and propagates by (e1 + a1)(e0 + a0).
    """
    e0, e1, e2, e3 = _bit_planes(public << 1)
    planes = cache(lambda: _bit_planes(known(mask) << 1))
    a = [dealer.share(e0.shape, partial(_plane, planes, k), torch.int16, live=-1) for k in range(4)]
    low, high = ([a[k + 1], a[k], _shared_and(dealer, a[k + 1], a[k])] for k in (0, 2))
    high = [high[1], high[0], high[2]]
    squares = [[_shared_and(dealer, x, y).share for y in low] for x in high]
    if public.is_meta:  # the rest is arithmetic; on shapes it would only take time
        return torch.empty_like(e0), torch.empty_like(e0)
    one = torch.full_like(e0, -1)
    carry_low, carry_high = (e1, e1 & e0, e0), (e3 & e2, e3, e2)
    through_low, through_high = (e0, e1, one), (e3, e2, one)
    constant_low, constant_high = e1 & e0, e3 & e2
    generate = _combine(carry_high, high) ^ constant_high & _combine(carry_low, low)
    propagate = constant_high & _combine(through_low, low) ^ constant_low & _combine(through_high, high)
    for i, row in enumerate(squares):
        for j, monomial in enumerate(row):
            generate ^= through_high[i] & carry_low[j] & monomial
            propagate ^= through_high[i] & through_low[j] & monomial
    if rank == 0:
        propagate ^= constant_high & constant_low
    return generate, propagate


def _combine(coefficients: tuple[torch.Tensor, ...], monomials: list[Mask]) -> torch.Tensor:
    first, second, third = (factor & mask.share for factor, mask in zip(coefficients, monomials, strict=True))
    return first ^ second ^ third


def _shared_and(dealer: Dealer, a: Mask, b: Mask) -> Mask:
    return dealer.share(a.share.shape, lambda: known(a) & known(b), torch.int16, live=-1)


def _plane(planes: Callable[[], tuple[torch.Tensor, ...]], index: int) -> torch.Tensor:
    return planes()[index]


def _bit_planes(words: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return bits 0, 1, 2 and 3 of every group of four, 16 bits each, even groups in the low byte."""
    if words.is_meta:
        return tuple(torch.empty(words.numel(), dtype=torch.int16, device="meta") for _ in range(4))
    for shift, positions in _REVERSALS:
        swap = ((words >> shift) ^ words) & positions
        words = words ^ swap ^ (swap << shift)
    planes = words.reshape(-1, 1).view(torch.int16)
    return tuple(planes[:, lane].contiguous() for lane in (0, 2, 1, 3))


def _and(
    link: Link, dealer: Dealer, a: torch.Tensor, terms: list[torch.Tensor], width: int = 64, broadcast: bool = False
) -> list[torch.Tensor]:
    """Return XOR shares of ``a`` AND each of ``terms``, whose lowest ``width`` bits are in use. 1 r."""
    live = -1 if width == 64 else (1 << width) - 1
    stacked = torch.stack(terms)
    selector = a.expand_as(stacked) if broadcast else a
    masks = [dealer.share(value.shape, kind=a.dtype, live=live) for value in (selector, stacked)]
    hidden = [(value ^ mask.share).reshape(-1) for value, mask in zip((selector, stacked), masks, strict=True)]
    sent = hidden if width == 64 else [pack(torch.cat(hidden), width)]
    opened = link.xor(sent)
    if width < 64:
        opened = list(unpack(opened[0], width, a.numel() + stacked.numel()).split([a.numel(), stacked.numel()]))
    epsilon, delta = opened[0].reshape(selector.shape), opened[1].reshape(stacked.shape)
    products = dealer.conjunction(masks[0], masks[1], live) ^ epsilon & masks[1].share ^ selector & delta
    return list(products)


def pack(values: torch.Tensor, width: int) -> torch.Tensor:
    """Put values of 1, 2, 4 or 8 bits (n,) side by side into bytes."""
    fields = 8 // width
    if values.is_meta:
        return torch.empty(-(-values.numel() // fields), dtype=values.dtype, device="meta")
    rows = torch.nn.functional.pad(values, (0, -values.numel() % fields)).reshape(fields, -1)
    packed = rows[0]
    for field in range(1, fields):
        packed = packed | rows[field] << (width * field)
    return packed


def unpack(packed: torch.Tensor, width: int, count: int) -> torch.Tensor:
    """Return the first ``count`` values (count,) that :func:`pack` put side by side."""
    if packed.is_meta:
        return torch.empty(count, dtype=packed.dtype, device="meta")
    live = (1 << width) - 1
    return torch.cat([packed >> (width * field) & live for field in range(8 // width)])[:count]


def _signed(word: int) -> int:
    """Return the int64 with the lowest 64 bits of ``word``."""
    return (word + 2**63) % 2**64 - 2**63
