from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pibench.engines.crypten.audit import watch_crypten
from pibench.engines.crypten.compat import import_crypten
from pibench.engines.crypten.settings import FAIR
from pibench.engines.lean import audit
from pibench.engines.lean.protocol import SERVER, Beaver
from pibench.engines.lean.shares import Shared
from pibench.engines.lean.switches import LEAN
from pibench.measure.setups import Setup
from pibench.testing.two_parties import both, fix_private_randomness
from tests.conftest import MakeModel
from tests.test_lean import IDS, bound_of, run, wires

RING = 2**64
words = st.integers(-(2**63), 2**63 - 1)


class Aside:
    """Stands for a wire of which party 1 holds the given share, and keeps what is broadcast."""

    def __init__(self, share: list[int]) -> None:
        self.share, self.sent = share, list[torch.Tensor]()

    def broadcast(self, tensor: torch.Tensor, owner: int) -> torch.Tensor:
        assert owner == 1
        self.sent.append(tensor)
        return (torch.tensor(self.share) >> 56).to(tensor.dtype).view_as(tensor)


def counter(share: list[int], rank: int = 0) -> audit.WrapCounter:
    return audit.WrapCounter(rank, Aside(share))  # type: ignore[arg-type]


def test_sees_a_forced_overflow_either_way_and_adds_up() -> None:
    top = 2**63 - 1
    own = counter([top, -top, 5 - top, 6])  # with the shares below: secrets -2, 2 (both wrapped), 5 and 1
    for seen in (2, 4):
        own(torch.tensor([top, -top, top, -5]))
        assert own.wraps == seen


def test_party_one_hands_over_top_bytes_and_counts_nothing() -> None:
    top = torch.tensor([[1, -128], [127, -1]])
    own = counter([0] * 4, rank=1)
    own(((top << 56) + 12345).T)
    assert own.wraps == 0
    (seen,) = own.aside.sent  # type: ignore[attr-defined]
    assert seen.tolist() == top.T.tolist()
    assert seen.dtype == torch.int8


def truncated(word: int) -> int:
    return abs(word) // 65536 * (1 if word >= 0 else -1)


@settings(max_examples=200)
@given(own=words, secret=st.integers(-(2**62) + 1, 2**62 - 1))
@example(own=2**55, secret=-(2**62) + 1)
@example(own=2**63 - 1, secret=2**62 - 1)
@example(own=-(2**63), secret=-1)
def test_a_wrap_is_counted_exactly_where_truncation_goes_wrong(own: int, secret: int) -> None:
    other = (secret - own + RING // 2) % RING - RING // 2
    wrong = abs(truncated(own) + truncated(other) - truncated(secret)) > 1
    audited = counter([other])
    audited(torch.tensor([own]))
    assert audited.wraps == wrong


def test_counts_at_crypten_s_own_division_and_takes_itself_out(
    need_crypten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_crypten()
    from crypten.mpc.primitives import ArithmeticSharedTensor, arithmetic

    plain = ArithmeticSharedTensor.div_
    monkeypatch.setattr(arithmetic.comm, "get", lambda: SimpleNamespace(get_world_size=lambda: 2))

    def divide() -> Any:
        return ArithmeticSharedTensor.from_shares(torch.tensor([2**63 - 1, 65536 * 5])).div_(65536)

    own = counter([2**63 - 1, -3])
    with watch_crypten(own):
        assert own.wraps == 0
        assert divide().share.tolist() == [2**47 - 1, 5]
        divide()
        assert own.wraps == 2
    assert ArithmeticSharedTensor.div_ is plain
    divide()
    assert own.wraps == 2


def truncate_in_two_threads(seed: int, bits: int, secret: int, count: int) -> tuple[int, int]:
    """Multiply a large secret by one; return the wraps that the audit counts and the products that came out wrong."""
    with pytest.MonkeyPatch.context() as patch:
        fix_private_randomness(patch, seed)

        def program(ops: Beaver) -> tuple[Shared, int]:
            ops.watch = counter = audit.WrapCounter(ops.rank, ops.link)
            share = ops.dealer.zero(torch.Size((count,)))
            value = Shared(share + secret if ops.rank == 0 else share, bits)
            return ops.mul(value, ops.secret(torch.ones(count), SERVER)), counter.wraps

        (first, wraps), (second, none) = both(program, replace(LEAN, fraction_bits=bits))
    assert none == 0
    return wraps, int(((first.share + second.share - secret).abs() > 1).sum())


@pytest.mark.parametrize("bits", [13, 16])
def test_wraps_of_our_own_truncation_are_the_wrong_products_and_as_rare_as_predicted(bits: int) -> None:
    count, secret = 20_000, 2 ** (61 - bits)
    wraps, wrong = truncate_in_two_threads(0, bits, secret, count)
    assert wraps == wrong
    assert abs(wraps - count / 8) < 5 * (count / 8) ** 0.5  # the product is 2**61, an eighth of the ring


def test_small_products_have_no_wraps() -> None:
    assert truncate_in_two_threads(1, 13, 5 * 2**13, 20_000) == (0, 0)


@pytest.mark.mpc
@pytest.mark.parametrize(("engine", "settings"), [("parties", LEAN), ("crypten", FAIR)], ids=["lean", "crypten"])
def test_a_real_run_of_small_values_has_none_and_costs_the_same(
    request: pytest.FixtureRequest, make_model: MakeModel, engine: str, settings: Any
) -> None:
    model = make_model(layers=1)
    seen, error = run(request.getfixturevalue(engine), model, settings, audit=True)
    assert seen.wraps == 0
    assert error < bound_of(settings)
    assert wires(seen.costs) == wires(Setup("", model.architecture, settings, *IDS.shape).predict().costs)
    assert seen.offline_seconds is None
