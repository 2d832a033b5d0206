from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pibench.engines.lean.dealer import Dealer, Store, first_party
from pibench.engines.lean.protocol import CLIENT, SERVER, Beaver
from pibench.engines.lean.shares import Mask
from pibench.testing.two_parties import fix_private_randomness, meet, prefetched, tiny
from tests.conftest import MakeModel

KINDS = pytest.mark.parametrize(
    ("kind", "live"), [(torch.int64, None), (torch.int64, -1), (torch.int16, -1), (torch.uint8, 1), (torch.uint8, 15)]
)
SHAPE = torch.Size((3, 7))


@pytest.fixture
def dealers() -> tuple[Dealer, Dealer]:
    return first_party(0, seed=1), first_party(1, seed=1)


def whole(first: Mask, second: Mask, live: int | None) -> torch.Tensor:
    return first.share + second.share if live is None else first.share ^ second.share


def never() -> NoReturn:
    raise AssertionError("made at party 1")


@KINDS
def test_shares_of_a_random_mask_join_to_what_the_dealer_knows(
    dealers: tuple[Dealer, Dealer], kind: torch.dtype, live: int | None
) -> None:
    for _ in range(3):
        first, second = (dealer.share(SHAPE, kind=kind, live=live) for dealer in dealers)
        assert torch.equal(whole(first, second, live), first.plain)
        assert first.share.shape == SHAPE
        assert first.share.dtype == second.share.dtype == kind
        assert second.plain is None
        if live is not None:
            assert not any((words & ~live).any() for words in (first.share, second.share, first.plain))


@KINDS
def test_shares_of_what_is_made_join_to_it_and_party_one_never_makes_it(
    dealers: tuple[Dealer, Dealer], kind: torch.dtype, live: int | None
) -> None:
    made = torch.arange(21).reshape(SHAPE).to(kind) & (-1 if live is None else live)
    first = dealers[0].share(SHAPE, lambda: made, kind, live)
    second = dealers[1].share(SHAPE, never, kind, live)
    assert torch.equal(whole(first, second, live), made)
    assert torch.equal(first.plain, made)
    assert first.share.count_nonzero() > 0


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([torch.int64, torch.int16, torch.uint8])), max_size=8))
def test_the_parties_stay_in_step_whatever_is_asked_for(requests: list[tuple[int, torch.dtype]]) -> None:
    dealers = first_party(0, seed=5), first_party(1, seed=5)
    for count, kind in [*requests, (4, torch.int64)]:
        first, second = (dealer.share(torch.Size((count,)), kind=kind, live=-1) for dealer in dealers)
        assert torch.equal(first.share ^ second.share, first.plain)


def test_products_of_masks_broadcast(dealers: tuple[Dealer, Dealer]) -> None:
    a = [dealer.share(torch.Size((2, 1, 4))) for dealer in dealers]
    b = [dealer.share(torch.Size((3, 4))) for dealer in dealers]
    c = [dealer.share(torch.Size((4, 5))) for dealer in dealers]
    first, second = (dealer.product("mul", x, y) for dealer, x, y in zip(dealers, a, b, strict=True))
    assert torch.equal(first + second, a[0].plain * b[0].plain)
    first, second = (dealer.product("matmul", x, y) for dealer, x, y in zip(dealers, a, c, strict=True))
    assert torch.equal(first + second, a[0].plain @ c[0].plain)


def test_conjunctions_of_bits_and_shares_of_zero(dealers: tuple[Dealer, Dealer]) -> None:
    a = [dealer.share(torch.Size((3, 4)), kind=torch.uint8, live=15) for dealer in dealers]
    b = [dealer.share(torch.Size((2, 3, 4)), kind=torch.uint8, live=15) for dealer in dealers]
    first, second = (dealer.conjunction(x, y, 15) for dealer, x, y in zip(dealers, a, b, strict=True))
    assert torch.equal(first ^ second, a[0].plain & b[0].plain)
    first, second = (dealer.zero(SHAPE) for dealer in dealers)
    assert torch.equal(first, -second)
    assert first.count_nonzero() == first.numel()


def test_each_share_alone_and_the_mask_itself_are_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_private_randomness(monkeypatch)
    size = torch.Size((4096,))
    for live in (None, -1):
        first, second = (first_party(rank, seed=2).share(size, live=live) for rank in (0, 1))
        made = first_party(0, seed=3).share(size, lambda: torch.zeros(size, dtype=torch.int64), live=live)
        for words in (first.share, second.share, first.plain, made.share):
            assert words.unique().numel() == size.numel()
            for byte in words.view(torch.uint8).reshape(-1, 8).T:
                assert stats.chisquare(np.bincount(byte, minlength=256)).pvalue > 1e-4


def test_private_randomness_is_fresh_in_every_dealer() -> None:
    first, again = (first_party(0, seed=1).share(SHAPE) for _ in range(2))
    assert not torch.equal(first.share, again.share)
    assert torch.equal(first.plain - first.share, again.plain - again.share)


def test_a_store_hands_out_what_its_source_made_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(dealer: Dealer) -> list[torch.Tensor]:
        a, b = dealer.share(SHAPE), dealer.share(SHAPE)
        bits = dealer.share(SHAPE, kind=torch.uint8, live=1)
        return [a.share, b.share, bits.share, dealer.product("mul", a, b), dealer.zero(SHAPE)]

    fix_private_randomness(monkeypatch)
    inline = ask(first_party(0, seed=4))
    fix_private_randomness(monkeypatch)
    store = Store(first_party(0, seed=4))
    assert all(share.is_meta for share in ask(store))
    later = ask(store.prefetched())
    assert all(torch.equal(own, goal) for own, goal in zip(later, inline, strict=True))


@pytest.mark.parametrize("owner", [0, 1])
def test_a_private_mask_is_its_owners_and_the_dealers_alone(dealers: tuple[Dealer, Dealer], owner: int) -> None:
    masks = [dealer.private(SHAPE, owner) for dealer in dealers]
    assert torch.equal(masks[owner].share, masks[0].plain)
    assert masks[1 - owner].share.is_meta and masks[1].plain is None
    assert {mask.share.shape for mask in masks} == {SHAPE}
    again = dealers[owner].private(SHAPE, owner)
    assert not torch.equal(again.share, masks[owner].share)


def test_private_masks_are_prefetched_in_their_order() -> None:
    store = Store(first_party(1, seed=1))
    first, shared = store.private(SHAPE, 1), store.share(SHAPE)
    assert first.share.is_meta and shared.share.is_meta
    direct, ahead = first_party(1, seed=1), store.prefetched()
    assert torch.equal(ahead.private(SHAPE, 1).share, direct.private(SHAPE, 1).share)
    assert torch.equal(ahead.share(SHAPE).share, direct.share(SHAPE).share)


def test_a_prefetched_run_is_the_inline_run_bit_for_bit(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    program, _ = tiny()
    fix_private_randomness(monkeypatch, 1)
    inline = meet(program)
    fix_private_randomness(monkeypatch, 1)
    ahead = meet(program, dealers=prefetched(program))
    assert torch.equal(inline.results[0], ahead.results[0])
    for own, goal in zip(ahead.links, inline.links, strict=True):
        assert own.rounds == goal.rounds > 100
        for parts, others in zip(own.sent, goal.sent, strict=True):
            assert all(torch.equal(part, other) for part, other in zip(parts, others, strict=True))


@pytest.mark.parametrize(
    "instead",
    [
        lambda ops: ops.secret(torch.ones(2, 3), CLIENT),
        lambda ops: ops.mul(ops.secret(torch.ones(3, 2), CLIENT), ops.secret(torch.ones(3, 1), SERVER)),
    ],
)
def test_what_was_not_prefetched_is_refused(instead: Callable[[Beaver], object]) -> None:
    def planned(ops: Beaver) -> object:
        return ops.mul(ops.secret(torch.ones(3, 2), CLIENT), ops.secret(torch.ones(3, 2), SERVER))

    with pytest.raises(RuntimeError, match=r"of shape \(3, 2\) was prefetched where"):
        meet(instead, dealers=prefetched(planned))
