from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pibench.architecture import Architecture, Layer
from pibench.interpreters.ledger import Cost, Ledger, predict
from pibench.interpreters.stock_ledger import StockLedger
from tests.conftest import MakeModel

MINILM_LAYER = Architecture(384, (Layer(heads=12, head_size=32, ffn_size=1536),), outputs=2)
LEDGERS = pytest.mark.parametrize("ledger", [Ledger, StockLedger])


def shape(*sizes: int) -> torch.Tensor:
    return torch.empty(*sizes, device="meta")


def layer_cost(ledger: Ledger) -> Cost:
    return sum((cost for name, cost in ledger.costs.items() if name.startswith("layer0.")), Cost())


def test_product_opens_both_operands_as_they_are_before_broadcasting() -> None:
    ledger = Ledger()
    assert ledger.mul(shape(3, 1), shape(4)).shape == (3, 4)
    assert ledger.total() == Cost(16 * (3 + 4), 1, 12)


def test_square_opens_one_operand() -> None:
    ledger = Ledger()
    ledger.square(shape(3, 5))
    assert ledger.total() == Cost(16 * 15, 1, 15)


def test_comparison() -> None:
    ledger = Ledger()
    ledger.negative(shape(10))
    assert ledger.total() == Cost(432 * 10, 8, 0)


def test_matrix_product() -> None:
    ledger = Ledger()
    assert ledger.matmul(shape(2, 3, 4), shape(2, 4, 5)).shape == (2, 3, 5)
    assert ledger.total() == Cost(16 * (2 * 3 * 4 + 2 * 4 * 5), 1, 2 * 3 * 4 * 5)


def test_local_primitives_are_free() -> None:
    ledger, a = Ledger(), shape(2, 3)
    ledger.mask(ledger.shift(ledger.scale(ledger.sum(ledger.add(a, a)), 0.3), 1.0), shape(2, 1))
    ledger.concat([a, ledger.sub(a, a)], -1)
    assert ledger.costs == {}


def test_composed_by_hand() -> None:
    ledger = Ledger()
    with ledger.scope("relu"):
        ledger.relu(shape(10))
    with ledger.scope("exp"):
        ledger.exp(shape(10))
    with ledger.scope("max"):
        ledger.max(shape(5))  # 5 -> 2 pairs and a rest, 3 -> 1 pair and a rest, 2 -> 1 pair
    assert ledger.costs == {
        "relu": Cost(432 * 10 + 32 * 10, 9, 10),
        "exp": Cost(8 * 16 * 10, 8, 80),
        "max": Cost((432 + 32) * 4, 27, 4),
    }


def test_input_and_reveal() -> None:
    costs = predict(MINILM_LAYER, batch=3, seq_len=8).costs
    assert costs["input"] == Cost(8 * 3 * 8, 1)
    assert costs["reveal"] == Cost(16 * 3 * 2, 1)


def test_one_layer_keeps_within_the_bound() -> None:
    cost = layer_cost(predict(MINILM_LAYER, 1, 128))
    assert cost.bytes <= 320e6
    assert cost.rounds <= 170


def test_fair_beats_stock_on_the_same_layer() -> None:
    fair, stock = predict(MINILM_LAYER, 1, 128), predict(MINILM_LAYER, 1, 128, StockLedger())
    assert round(stock.costs["layer0.softmax"].bytes / 1e6, 1) == 292.6
    assert stock.costs["layer0.softmax"].rounds == 116
    assert stock.costs["layer0.attention_norm"].rounds == 20
    for operator in ("softmax", "activation"):
        assert fair.costs[f"layer0.{operator}"].bytes < stock.costs[f"layer0.{operator}"].bytes
        assert fair.costs[f"layer0.{operator}"].rounds < stock.costs[f"layer0.{operator}"].rounds
    assert fair.total().rounds < stock.total().rounds


@pytest.mark.parametrize("softmax", ["exact", "two_quad"])
@LEDGERS
def test_half_of_the_heads_halves_softmax_bytes_and_no_round(ledger: type[Ledger], softmax: str) -> None:
    all_heads = MINILM_LAYER.with_layers(softmax=softmax)
    full = predict(all_heads, 1, 128, ledger()).costs
    half = predict(all_heads.with_layers(heads=6), 1, 128, ledger()).costs
    for operator in ("softmax", "scores", "context"):
        assert 2 * half[f"layer0.{operator}"].bytes == full[f"layer0.{operator}"].bytes
    assert {name: cost.rounds for name, cost in half.items()} == {name: cost.rounds for name, cost in full.items()}


@LEDGERS
def test_replaced_operators_change_their_own_cost_only(ledger: type[Ledger]) -> None:
    exact = predict(MINILM_LAYER, 1, 128, ledger()).costs
    replaced = predict(MINILM_LAYER.with_layers(softmax="two_quad", activation="quadratic"), 1, 128, ledger()).costs
    changed = {name for name in exact if exact[name] != replaced[name]}
    assert changed == {"layer0.softmax", "layer0.activation"}
    assert replaced["layer0.activation"] == Cost(16 * 128 * 1536, 1, 128 * 1536)
    assert replaced["layer0.softmax"].bytes < exact["layer0.softmax"].bytes / 10


@LEDGERS
def test_cost_depends_on_shapes_alone(make_model: MakeModel, ledger: type[Ledger]) -> None:
    goal = predict(make_model().architecture, 2, 7, ledger()).costs
    for seed in (1, 2):
        ids = torch.randint(50, (2, 7), generator=torch.Generator().manual_seed(seed))
        keep = torch.ones(2, 7, dtype=torch.int64)
        keep[0, seed:] = 0
        seen = ledger()
        with torch.no_grad():
            make_model(seed)(ids, torch.zeros_like(ids), keep, seen)
        assert seen.costs == {name: cost for name, cost in goal.items() if name not in ("input", "reveal")}


@LEDGERS
def test_rounds_do_not_grow_with_batch_or_layers_cost_alike(ledger: type[Ledger]) -> None:
    two = replace(MINILM_LAYER, layers=MINILM_LAYER.layers * 2)
    one, more = predict(two, 1, 16, ledger()), predict(two, 4, 16, ledger())
    assert one.total().rounds == more.total().rounds
    assert one.total().bytes < more.total().bytes
    for name, cost in one.costs.items():
        if name.startswith("layer0."):
            assert one.costs[name.replace("layer0", "layer1")] == cost


def test_cost_adds_field_by_field() -> None:
    assert Cost(1, 2, 3) + Cost(10, 20, 30) == Cost(11, 22, 33)
