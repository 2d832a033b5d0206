from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pibench.engines.crypten.ledger import STEPS
from pibench.engines.lean.ledger import Ledger, predict
from pibench.engines.lean.switches import LEAN, Switches
from pibench.methods.surgery.pruning import prune_heads
from tests.conftest import MakeModel

LAYERS, HEADS = 2, 4
keeps = st.lists(
    st.lists(st.booleans(), min_size=HEADS, max_size=HEADS).filter(any), min_size=LAYERS, max_size=LAYERS
).map(torch.tensor)

IDS = torch.tensor([[1, 10, 25, 31, 2], [1, 44, 2, 0, 0]])
KEEP = (IDS > 0).long()
SEGMENTS = torch.zeros_like(IDS)


@settings(max_examples=40)
@given(keep=keeps, seed=st.integers(0, 1000))
def test_pruned_is_masked(make_model: MakeModel, keep: torch.Tensor, seed: int) -> None:
    model = make_model(seed)
    before = model.fingerprint()
    pruned = prune_heads(model, keep)
    assert [layer.heads for layer in pruned.architecture.layers] == keep.sum(1).tolist()
    with torch.no_grad():
        masked = model(IDS, SEGMENTS, KEEP, gates=keep.float())
        own = pruned(IDS, SEGMENTS, KEEP)
    torch.testing.assert_close(own.logits, masked.logits, rtol=0, atol=1e-5)
    for mine, other in zip(own.hidden, masked.hidden, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)
    assert model.fingerprint() == before


def test_pruning_twice_is_pruning_at_once(make_model: MakeModel) -> None:
    model = make_model()
    first = prune_heads(model, torch.tensor([[1, 0, 1, 1], [1, 1, 1, 0]]).bool())
    second = prune_heads(first, torch.tensor([[1, 1, 0], [0, 0, 1]]).bool())
    at_once = prune_heads(model, torch.tensor([[1, 0, 1, 0], [0, 0, 1, 0]]).bool())
    assert second.fingerprint() == at_once.fingerprint()


def test_keeping_all_heads_changes_nothing(make_model: MakeModel) -> None:
    model = make_model()
    assert prune_heads(model, torch.ones(LAYERS, HEADS, dtype=torch.bool)).fingerprint() == model.fingerprint()


def test_refuses_to_empty_a_layer(make_model: MakeModel) -> None:
    keep = torch.ones(LAYERS, HEADS, dtype=torch.bool)
    keep[1] = False
    with pytest.raises(ValueError, match="at least one head"):
        prune_heads(make_model(), keep)


WHERE_HEADS_COUNT = {
    "crypten": (STEPS, {"qkv", "scores", "softmax", "context", "output"}),
    # A weight opened once a session costs nothing later, and the input of qkv is as wide as before.
    "lean": (LEAN, {"scores", "softmax", "context", "output"}),
}


@pytest.mark.parametrize(("switches", "operators"), WHERE_HEADS_COUNT.values(), ids=WHERE_HEADS_COUNT)
def test_saves_bytes_in_all_of_attention_and_nowhere_else(
    make_model: MakeModel, switches: Switches, operators: set[str]
) -> None:
    model = make_model()
    keep = torch.ones(LAYERS, HEADS, dtype=torch.bool)
    keep[0, :2] = False
    before = predict(model.architecture, 1, 8, Ledger(switches)).costs
    after = predict(prune_heads(model, keep).architecture, 1, 8, Ledger(switches)).costs
    cheaper = {name for name in before if after[name].bytes < before[name].bytes}
    assert cheaper == {f"layer0.{name}" for name in operators}
    unchanged = [name for name in before if name not in cheaper]
    assert all(
        (after[name].bytes, after[name].rounds) == (before[name].bytes, before[name].rounds) for name in unchanged
    )
    for name in ("scores", "softmax", "context"):
        assert 2 * after[f"layer0.{name}"].bytes == before[f"layer0.{name}"].bytes
