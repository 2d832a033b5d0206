from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pibench.interpreters.beaver import SERVER, Beaver
from pibench.interpreters.crypten import audit
from pibench.interpreters.crypten.compat import import_crypten
from pibench.interpreters.crypten.parties import Parties
from pibench.interpreters.ledger import predict
from pibench.interpreters.shared import Shared
from pibench.interpreters.switches import LEAN
from tests.conftest import MakeModel
from tests.test_crypten import ENGINES, IDS, run, wires
from tests.two_parties import both, fix_private_randomness

RING = 2**64
words = st.integers(-(2**63), 2**63 - 1)
Receive = Callable[[list[int]], None]


@pytest.fixture
def other_party(monkeypatch: pytest.MonkeyPatch) -> Receive:
    """Set the share that party 1 hands over; only the wire is replaced."""

    def holds(share: list[int]) -> None:
        def recv(buffer: torch.Tensor, source: int) -> None:
            assert source == 1
            buffer.copy_((torch.tensor(share) >> 56).view_as(buffer))

        monkeypatch.setattr(audit, "dist", SimpleNamespace(recv=recv))

    return holds


def test_sees_a_forced_overflow_either_way_and_adds_up(other_party: Receive) -> None:
    top = 2**63 - 1
    other_party([top, -top, 5 - top, 6])  # with the shares below: secrets -2, 2 (both wrapped), 5 and 1
    counter = audit.WrapCounter(rank=0)
    for seen in (2, 4):
        counter(torch.tensor([top, -top, top, -5]))
        assert counter.wraps == seen


def test_party_one_sends_top_bytes_and_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[torch.Tensor, int]] = []
    monkeypatch.setattr(audit, "dist", SimpleNamespace(send=lambda share, to: sent.append((share, to))))
    top = torch.tensor([[1, -128], [127, -1]])
    counter = audit.WrapCounter(rank=1)
    counter(((top << 56) + 12345).T)
    assert counter.wraps == 0
    ((seen, to),) = sent
    assert seen.tolist() == top.T.tolist()
    assert seen.dtype == torch.int8
    assert seen.is_contiguous()
    assert to == 0


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "dist", SimpleNamespace(recv=lambda buffer, source: buffer.fill_(other >> 56)))
        counter = audit.WrapCounter(rank=0)
        counter(torch.tensor([own]))
    assert counter.wraps == wrong


def test_counts_at_crypten_s_own_division_and_takes_itself_out(
    need_crypten: None, other_party: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_crypten()
    from crypten.mpc.primitives import ArithmeticSharedTensor, arithmetic

    plain = ArithmeticSharedTensor.div_
    monkeypatch.setattr(arithmetic.comm, "get", lambda: SimpleNamespace(get_world_size=lambda: 2))
    other_party([2**63 - 1, -3])

    def divide() -> Any:
        return ArithmeticSharedTensor.from_shares(torch.tensor([2**63 - 1, 65536 * 5])).div_(65536)

    counter = audit.WrapCounter(rank=0)
    with audit.watch_crypten(counter):
        assert counter.wraps == 0
        assert divide().share.tolist() == [2**47 - 1, 5]
        divide()
        assert counter.wraps == 2
    assert ArithmeticSharedTensor.div_ is plain
    divide()
    assert counter.wraps == 2


def truncate_in_two_threads(seed: int, bits: int, secret: int, count: int) -> tuple[int, int]:
    """Multiply a large secret by one; return the wraps that the audit counts and the products that came out wrong."""
    handed: SimpleQueue[torch.Tensor] = SimpleQueue()

    def recv(buffer: torch.Tensor, source: int) -> None:
        buffer.copy_(handed.get(timeout=20))

    with pytest.MonkeyPatch.context() as patch:
        fix_private_randomness(patch, seed)
        patch.setattr(audit, "dist", SimpleNamespace(send=lambda share, to: handed.put(share.clone()), recv=recv))

        def program(ops: Beaver) -> tuple[Shared, int]:
            ops._watch = counter = audit.WrapCounter(ops._rank)
            share = ops._dealer.zero(torch.Size((count,)))
            value = Shared(share + secret if ops._rank == 0 else share, bits)
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
@pytest.mark.parametrize("engine", ["lean", "crypten"])
def test_a_real_run_of_small_values_has_none_and_costs_the_same(
    parties: Parties, make_model: MakeModel, engine: str
) -> None:
    model = make_model(layers=1)
    views, error = run(parties, model, ENGINES[engine], audit=True)
    assert [view.wraps for view in views] == [0, 0]
    assert error < ENGINES[engine].bound
    predicted = predict(model.architecture, *IDS.shape, ENGINES[engine].ledger()).costs
    assert wires(views[SERVER].costs) == wires(predicted)
