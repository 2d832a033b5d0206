from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pibench.interpreters.crypten import audit
from pibench.interpreters.crypten.compat import import_crypten
from pibench.interpreters.crypten.parties import Parties
from pibench.interpreters.crypten.party import SERVER
from pibench.interpreters.ledger import predict
from tests.conftest import MakeModel
from tests.test_crypten import IDS, run

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


def test_sees_a_forced_overflow_either_way(other_party: Receive) -> None:
    top = 2**63 - 1
    other_party([top, -top, 5 - top, 6])  # with the shares below: secrets -2, 2 (both wrapped), 5 and 1
    assert audit._exchange(torch.tensor([top, -top, top, -5]), rank=0) == 2


def test_party_one_sends_top_bytes_and_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[torch.Tensor, int]] = []
    monkeypatch.setattr(audit, "dist", SimpleNamespace(send=lambda share, to: sent.append((share, to))))
    top = torch.tensor([[1, -128], [127, -1]])
    assert audit._exchange(((top << 56) + 12345).T, rank=1) == 0
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
        assert audit._exchange(torch.tensor([own]), rank=0) == wrong


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

    with audit.count_wraps(rank=0) as wraps:
        assert wraps() == 0
        assert divide().share.tolist() == [2**47 - 1, 5]
        divide()
        assert wraps() == 2
    assert ArithmeticSharedTensor.div_ is plain
    divide()
    assert wraps() == 2


@pytest.mark.mpc
def test_a_real_run_of_small_values_has_none_and_costs_the_same(parties: Parties, make_model: MakeModel) -> None:
    model = make_model()
    views, error = run(parties, model, audit=True)
    assert views[SERVER].wraps == 0
    assert error < 0.02
    predicted = predict(model.architecture, *IDS.shape).costs
    assert {name: cost.bytes for name, cost in views[SERVER].costs.items()} == {
        name: cost.bytes for name, cost in predicted.items()
    }
