from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from pibench.engines.crypten.ledger import STEPS, CryptenLedger, StockLedger
from pibench.engines.engine import Cost
from pibench.engines.lean.ledger import Ledger, predict, secret_shapes, session_bytes
from pibench.engines.lean.protocol import private_inference
from pibench.engines.lean.shares import Known, Mask, Opening, Shared
from pibench.engines.lean.switches import LEAN, NAMES, Switches
from pibench.model.architecture import Architecture, Layer
from tests.conftest import MakeModel

MINILM_LAYER = Architecture(384, (Layer(heads=12, head_size=32, ffn_size=1536),), outputs=2)
MakeLedger = Callable[[], Ledger]
LEDGERS = pytest.mark.parametrize("ledger", [Ledger, CryptenLedger, StockLedger], ids=["lean", "crypten", "stock"])


def shape(*sizes: int, opened: bool = False) -> Shared:
    words = torch.empty(*sizes, dtype=torch.int64, device="meta")
    return Shared(words, 13, Opening(words, Mask(words)) if opened else None)


def crypten() -> Ledger:
    return CryptenLedger()


def layer_cost(architecture: Architecture, switches: Switches) -> Cost:
    costs = predict(architecture, 1, 128, Ledger(switches)).costs
    return sum((cost for name, cost in costs.items() if name.startswith("layer0.")), Cost())


@LEDGERS
def test_product_opens_both_operands_as_they_are_before_broadcasting(ledger: MakeLedger) -> None:
    own = ledger()
    assert own.mul(shape(3, 1), shape(4)).shape == (3, 4)
    assert own.total() == Cost(16 * (3 + 4), 1, 12)


@LEDGERS
def test_square_opens_one_operand(ledger: MakeLedger) -> None:
    own = ledger()
    own.square(shape(3, 5))
    assert own.total() == Cost(16 * 15, 1, 15)


@LEDGERS
def test_matrix_product(ledger: MakeLedger) -> None:
    own = ledger()
    assert own.matmul(shape(2, 3, 4), shape(2, 4, 5)).shape == (2, 3, 5)
    assert own.total() == Cost(16 * (2 * 3 * 4 + 2 * 4 * 5), 1, 2 * 3 * 4 * 5)


@LEDGERS
def test_local_primitives_are_free(ledger: MakeLedger) -> None:
    own, a = ledger(), shape(2, 3)
    own.mask(own.shift(own.scale(own.sum(own.add(a, a)), 0.3), 1.0), torch.ones(2, 1))
    own.concat([a, own.sub(a, a)], -1)
    assert own.costs == {}


def test_crypten_comparison() -> None:
    ledger = crypten()
    ledger.is_negative(shape(10))
    assert ledger.total() == Cost(432 * 10, 8, 0)


def lean_comparison(count: int) -> int:
    """A masked value, then per level the bits of three operands, of two at the last, then the sign: both directions."""
    levels = [3 * count, -(-3 * count // 2), -(-3 * count // 4), -(-2 * count // 8)]
    return 16 * count + 2 * (sum(levels) + -(-count // 8))


@pytest.mark.parametrize("count", [1, 5, 8, 10, 1000])
def test_lean_comparison(count: int) -> None:
    ledger = Ledger()
    ledger.is_negative(shape(count))
    assert ledger.total() == Cost(lean_comparison(count), 6, 0)


def test_lean_comparison_is_27_bytes_and_a_quarter() -> None:
    assert lean_comparison(1000) == 1000 * (16 + 11 + 0.25)


def test_lean_relu_multiplies_without_opening_anything() -> None:
    ledger = Ledger()
    ledger.relu(shape(10))
    assert ledger.total() == Cost(lean_comparison(10), 6, 10)


def test_crypten_composed_by_hand() -> None:
    ledger = crypten()
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


def test_lean_composed_by_hand() -> None:
    ledger = Ledger()
    with ledger.scope("exp"):
        ledger.exp(shape(10))
    with ledger.scope("max"):
        ledger.max(shape(5))
    with ledger.scope("inverse_sqrt"):
        ledger.inverse_sqrt(shape(10))
    with ledger.scope("gelu"):
        ledger.gelu(shape(10))
    with ledger.scope("tanh"):
        ledger.tanh(shape(10))
    index = 2 * 4 * 10  # four bytes from each party
    bits = lean_comparison(3 * 10) - 16 * 3 * 10 + 16 * 10
    assert ledger.costs == {
        "exp": Cost(8 * 16 * 10, 8, 80),
        "max": Cost(lean_comparison(2) + 2 * lean_comparison(1), 18, 4),
        "inverse_sqrt": Cost(2 * index + 16 * 10 * (2 + 2 + 2 + 1 + 2), 6, 70),
        "gelu": Cost(bits + 16 * 10 * 2, 8, 60),
        "tanh": Cost(2 * index + 16 * 10 * (2 + 2), 3, 20),
    }


def test_a_weight_under_a_kept_mask_costs_nothing() -> None:
    ledger = Ledger()
    ledger.linear(shape(2, 3, 4), shape(5, 4, opened=True), shape(5))
    assert ledger.total() == Cost(16 * 24, 1, 2 * 3 * 4 * 5)
    ledger.linear(shape(2, 3, 4, opened=True), shape(5, 4, opened=True), shape(5))
    assert (ledger.total().bytes, ledger.total().rounds) == (16 * 24, 1)


def test_lean_linear_layers_open_their_input_alone_and_once() -> None:
    costs = predict(MINILM_LAYER, batch=1, seq_len=8).costs
    for name, inputs in {"qkv": 8 * 384, "output": 8 * 384, "ffn_in": 0, "ffn_out": 8 * 1536}.items():
        cost = costs[f"layer0.{name}"]
        assert cost == Cost(8 * inputs, int(inputs > 0), cost.multiplications, client_only=8 * inputs), name
    without = predict(MINILM_LAYER, 1, 8, Ledger(LEAN.without("weight_masks"))).costs
    assert without["layer0.ffn_in"].bytes == 16 * 384 * 1536
    assert without["layer0.qkv"].bytes == 16 * (8 * 384 + 3 * 384 * 384)


def test_the_dealers_tuples_are_counted() -> None:
    ledger = Ledger()
    ledger.mul(shape(3, 1), shape(4))
    assert (ledger.offline.elements, ledger.offline.bytes) == (12, 2 * 8 * (3 + 4 + 12))
    ledger.secret(torch.empty(5), owner=1)
    assert ledger.offline.elements == 12


@LEDGERS
def test_input_and_reveal(ledger: MakeLedger) -> None:
    costs = predict(MINILM_LAYER, batch=3, seq_len=8, ledger=ledger()).costs
    assert costs["input"] == Cost(8 * 3 * 8, 1, client_only=8 * 3 * 8)
    assert costs["reveal"] == Cost(16 * 3 * 2, 1)


def test_one_layer_keeps_within_the_bounds() -> None:
    before, lean = (layer_cost(MINILM_LAYER, switches) for switches in (STEPS, LEAN))
    assert before.bytes <= 320e6
    assert before.rounds <= 170
    assert lean.bytes <= 65e6
    assert lean.rounds <= 110
    small = MINILM_LAYER.with_layers(heads=6, softmax="two_quad", activation="quadratic")
    assert layer_cost(small, LEAN).bytes <= 18e6


FREE = {"prefetch", "fused_qkv", "two_products", "squares", "quadratic_exp"}
"""Switches that save time or errors; where values are opened once, so are the operands of a square."""


@pytest.mark.parametrize("name", NAMES)
def test_every_other_switch_saves_bytes_or_rounds_of_the_layer(name: str) -> None:
    lean, off = layer_cost(MINILM_LAYER, LEAN), layer_cost(MINILM_LAYER, LEAN.without(name))
    if name in FREE:
        assert off == lean
    else:
        assert off.rounds > lean.rounds or off.bytes > lean.bytes + 1e6


@pytest.mark.parametrize("off", ["squares", "fused_qkv"])
def test_crypten_steps_without_what_its_tensors_do_not_share(off: str) -> None:
    with_it, without = crypten(), Ledger(STEPS.without(off))
    for ledger in (with_it, without):
        a = shape(2, 4)
        ledger.linear(ledger.square(a), shape(6, 4), shape(6), parts=3)
    saved = {"squares": Cost(16 * 8), "fused_qkv": Cost(16 * 2 * 8, 2)}[off]
    assert with_it.total() + saved == without.total()


def test_fair_beats_stock_on_the_same_layer() -> None:
    fair, stock = (predict(MINILM_LAYER, 1, 128, ledger) for ledger in (crypten(), StockLedger()))
    assert round(stock.costs["layer0.softmax"].bytes / 1e6, 1) == 292.6
    assert stock.costs["layer0.softmax"].rounds == 116
    assert stock.costs["layer0.attention_norm"].rounds == 20
    for operator in ("softmax", "activation"):
        assert fair.costs[f"layer0.{operator}"].bytes < stock.costs[f"layer0.{operator}"].bytes
        assert fair.costs[f"layer0.{operator}"].rounds < stock.costs[f"layer0.{operator}"].rounds
    assert fair.total().rounds < stock.total().rounds


@pytest.mark.parametrize("softmax", ["exact", "two_quad"])
@LEDGERS
def test_half_of_the_heads_halves_softmax_bytes_and_no_round(ledger: MakeLedger, softmax: str) -> None:
    all_heads = MINILM_LAYER.with_layers(softmax=softmax)
    full = predict(all_heads, 1, 128, ledger()).costs
    half = predict(all_heads.with_layers(heads=6), 1, 128, ledger()).costs
    for operator in ("softmax", "scores", "context"):
        assert 2 * half[f"layer0.{operator}"].bytes == full[f"layer0.{operator}"].bytes
    assert {name: cost.rounds for name, cost in half.items()} == {name: cost.rounds for name, cost in full.items()}


@LEDGERS
def test_replaced_operators_change_their_own_cost_only(ledger: MakeLedger) -> None:
    exact = predict(MINILM_LAYER, 1, 128, ledger()).costs
    replaced = predict(MINILM_LAYER.with_layers(softmax="two_quad", activation="quadratic"), 1, 128, ledger()).costs
    changed = {name for name in exact if exact[name] != replaced[name]}
    assert changed == {"layer0.softmax", "layer0.activation"}
    assert replaced["layer0.activation"] == Cost(16 * 128 * 1536, 1, 128 * 1536)
    assert replaced["layer0.softmax"].bytes < exact["layer0.softmax"].bytes / 4


@LEDGERS
def test_cost_depends_on_shapes_alone(make_model: MakeModel, ledger: MakeLedger) -> None:
    architecture = make_model(activation="quadratic").architecture
    goal = predict(architecture, 2, 7, ledger()).costs
    for coefficient in (0.0, 1.0, 0.3):
        keep = torch.ones(2, 7, dtype=torch.int64)
        keep[0, 3:] = 0
        seen = ledger()
        weights = secret_shapes(architecture, seen.switches).map(
            lambda name, value: value if isinstance(value, Shared | Known) else torch.full((3,), coefficient)  # noqa: B023
        )
        private_inference(seen, architecture, weights, torch.empty(2, 7, 16), keep)
        assert seen.costs == goal


@LEDGERS
def test_rounds_do_not_grow_with_batch_or_layers_cost_alike(ledger: MakeLedger) -> None:
    three = replace(MINILM_LAYER, layers=MINILM_LAYER.layers * 3)
    one, more = predict(three, 1, 16, ledger()), predict(three, 4, 16, ledger())
    assert one.total().rounds == more.total().rounds
    assert one.total().bytes < more.total().bytes
    alike = [name for name in one.costs if name.startswith("layer1.")]
    assert len(alike) == 10
    for name in alike:
        assert one.costs[name.replace("layer1", "layer2")] == one.costs[name]
        if name != "layer1.qkv":  # the first layer's input is not open yet
            assert one.costs[name.replace("layer1", "layer0")] == one.costs[name]


def test_cost_adds_field_by_field() -> None:
    assert Cost(1, 2, 3) + Cost(10, 20, 30) == Cost(11, 22, 33)


def test_weights_are_opened_once_a_session() -> None:
    weights = 384 * (3 * 384) + 384 * 384 + 2 * 384 * 1536 + 2 * 384 + 384 * 384 + 384 * 2
    assert session_bytes(MINILM_LAYER, LEAN) == 8 * weights
    assert session_bytes(MINILM_LAYER, LEAN.without("known_weights")) == 16 * weights
    assert session_bytes(MINILM_LAYER, LEAN.without("weight_masks")) == 0


def test_the_recipe_of_ig3d_keeps_within_the_bound() -> None:
    recipe = MINILM_LAYER.with_layers(heads=6, softmax="quad", activation="quadratic")
    assert layer_cost(recipe, LEAN).bytes <= 18e6
