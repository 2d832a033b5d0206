from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pibench.engines.lean.comparison import pack, sign_by_packed_bits, sign_by_words, to_arithmetic, unpack
from pibench.engines.lean.protocol import Beaver
from pibench.engines.lean.shares import Opening
from pibench.testing.two_parties import both, meet

EDGES = [-(2**63), -(2**63) + 1, -1, 0, 1, 2**62, -(2**62), 2**63 - 1]
ALL_EDGES = [(secret, random) for secret in EDGES for random in EDGES]
words = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(EDGES)
Pairs = list[tuple[int, int]]


def columns(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    secret, random = (torch.tensor(column) for column in zip(*pairs, strict=True))
    return secret, random


def signs(secret: torch.Tensor) -> np.ndarray:
    return (secret.numpy() < 0).astype(np.uint8)


@settings(max_examples=60)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=20))
@example(ALL_EDGES)
def test_sign_by_packed_bits_is_right_for_any_number_under_any_mask(pairs: Pairs) -> None:
    secret, random = columns(pairs)

    def sign(ops: Beaver) -> torch.Tensor:
        opened = Opening(secret - random, ops.dealer.share(random.shape, lambda: random))
        return sign_by_packed_bits(ops.rank, ops.link, ops.dealer, opened)

    first, second = both(sign)
    assert np.array_equal((first ^ second).numpy(), signs(secret))


@settings(max_examples=60)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=20))
@example(ALL_EDGES)
def test_sign_by_words_is_right_for_any_number_in_any_shares(pairs: Pairs) -> None:
    secret, random = columns(pairs)

    def sign(ops: Beaver) -> torch.Tensor:
        return sign_by_words(ops.rank, ops.link, ops.dealer, random if ops.rank else secret - random)

    first, second = both(sign)
    assert np.array_equal((first ^ second).numpy(), signs(secret))


def test_signs_keep_their_shape_and_are_one_bit() -> None:
    secret = torch.tensor(EDGES).reshape(2, 1, 4).expand(2, 3, 4)

    def sign(ops: Beaver) -> tuple[torch.Tensor, torch.Tensor]:
        share = secret if ops.rank == 0 else torch.zeros_like(secret)
        opened = Opening(secret, ops.dealer.share(secret.shape, lambda: torch.zeros_like(secret)))
        return (
            sign_by_packed_bits(ops.rank, ops.link, ops.dealer, opened),
            sign_by_words(ops.rank, ops.link, ops.dealer, share),
        )

    (packed, by_words), (packed_other, words_other) = both(sign)
    for first, second in ((packed, packed_other), (by_words, words_other)):
        assert torch.equal(first ^ second, (secret < 0).to(torch.uint8))
        assert first.max() <= 1
        assert second.max() <= 1


@pytest.mark.parametrize("packed", [True, False])
def test_a_bit_becomes_arithmetic_shares_and_an_opening_of_itself(packed: bool) -> None:
    bits = torch.tensor([[0, 1, 1], [1, 0, 0]], dtype=torch.uint8)

    def convert(ops: Beaver) -> tuple[torch.Tensor, Opening]:
        sign = ops.dealer.share(bits.shape, lambda: bits, torch.uint8, live=1).share
        return to_arithmetic(ops.rank, ops.link, ops.dealer, sign, packed)

    meeting = meet(convert)
    (first, opening), (second, other) = meeting.results
    assert torch.equal(first + second, bits.long())
    assert torch.equal(opening.public, other.public)
    assert opening.mask.plain is not None
    assert opening.sign is not None
    assert torch.equal(opening.mask.share + other.mask.share, opening.mask.plain)
    assert torch.equal(opening.public + opening.sign * opening.mask.plain, bits.long())
    assert meeting.links[0].bytes == (2 if packed else 2 * 6 * 8)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 31])
def test_packing_loses_no_bit_and_uses_no_byte_too_many(width: int, count: int) -> None:
    values = torch.from_numpy(np.random.default_rng(count).integers(0, 1 << width, count, np.uint8))
    packed = pack(values, width)
    assert packed.dtype == torch.uint8
    assert packed.numel() == -(-count * width // 8)
    assert torch.equal(unpack(packed, width, count), values)
