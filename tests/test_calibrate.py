from __future__ import annotations

import pytest
import torch

from pibench.engines.lean.calibrate import EXP_DOMAIN, GELU_DOMAIN, MASKED_HIGHEST, Range, Ranges, calibrate
from pibench.engines.lean.lowering import INVERSE_SQRT_DOMAIN, QUADRATIC_EXP_DOMAIN
from pibench.engines.lean.switches import LEAN, PLAIN
from pibench.model.module import Model
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.primitives import MASK_VALUE
from tests.conftest import MakeModel, MakeSplit


def find(rows: list[Range], operator: str, primitive: str) -> Range:
    (row,) = [row for row in rows if (row.operator, row.primitive) == (operator, primitive)]
    return row


def with_bias(model: Model, layer: int, name: str, values: torch.Tensor) -> Model:
    with torch.no_grad():
        model.layer_weights[layer][name].copy_(values)
    return model


def test_a_healthy_model_stays_inside(make_model: MakeModel, make_split: MakeSplit) -> None:
    split = make_split(9)
    rows = calibrate(make_model(), split, 0, batch_size=4)
    assert not [row for row in rows if row.outside]
    assert {row.operator for row in rows} == {
        *(f"layer{i}.{name}" for i in (0, 1) for name in ("scores", "softmax", "activation")),
        *(f"layer{i}.{name}_norm" for i in (0, 1) for name in ("attention", "ffn")),
        "pooler",
    }
    longest = max(map(len, split.input_ids))
    softmax = find(rows, "layer0.softmax", "divide")
    assert (softmax.domain_low, softmax.domain_high) == (1, longest)
    assert 1 <= softmax.low < softmax.high <= longest
    assert find(rows, "pooler", "tanh").count == 9 * 16


def test_masked_keys_are_in_the_range_of_exp_and_not_of_scores(make_model: MakeModel, make_split: MakeSplit) -> None:
    rows = calibrate(make_model(), make_split(9), 0, PLAIN)
    scores, exponent = find(rows, "layer0.scores", "scores"), find(rows, "layer0.softmax", "exp")
    assert MASK_VALUE < scores.low < scores.high
    assert exponent.low < MASKED_HIGHEST
    assert exponent.high == 0
    assert (exponent.domain_low, exponent.domain_high) == EXP_DOMAIN


@pytest.mark.parametrize(("masked", "outside"), [(29.9, 0), (30.1, 1), (50.0, 1)])
@pytest.mark.parametrize("softmax", ["exact", "puma"])
def test_a_masked_score_must_lie_far_below_the_kept_ones(softmax: str, masked: float, outside: int) -> None:
    """In fixed point the mask is a number, which a large enough masked score outweighs."""
    ops, scores = Ranges(), torch.tensor([[1.0, 0.0, 1.0 + masked], [2.0, 1.0, 0.0]])
    SOFTMAX[softmax](ops, scores, torch.tensor([1, 1, 0]), None)
    row = ops.seen["", "mask"]
    assert (row.high, row.count, row.outside) == (pytest.approx(masked + MASK_VALUE), 2, outside)
    assert row.domain_high == MASKED_HIGHEST


def test_without_padding_there_is_no_mask_to_check(make_model: MakeModel, make_split: MakeSplit) -> None:
    rows = calibrate(make_model(), make_split(9), 0, batch_size=1)
    assert {row.primitive for row in rows} == {"scores", "exp", "divide", "inverse_sqrt", "gelu", "tanh"}


def test_names_the_norm_whose_variance_is_too_large(make_model: MakeModel, make_split: MakeSplit) -> None:
    outlier = torch.zeros(16)
    outlier[3] = 140.0
    model = with_bias(make_model(), 1, "ffn_out_bias", outlier)
    (row,) = [row for row in calibrate(model, make_split(5), 0, batch_size=2) if row.outside]
    assert (row.operator, row.primitive) == ("layer1.ffn_norm", "inverse_sqrt")
    assert (row.domain_low, row.domain_high) == INVERSE_SQRT_DOMAIN
    assert row.high > INVERSE_SQRT_DOMAIN[1]
    assert row.outside == row.count


def test_counts_the_pre_activations_beyond_gelu(make_model: MakeModel, make_split: MakeSplit) -> None:
    bias = torch.zeros(32)
    bias[5], bias[6] = 60.0, -60.0
    model = with_bias(make_model(), 0, "ffn_in_bias", bias)
    row = find(calibrate(model, make_split(5), 0, PLAIN), "layer0.activation", "gelu")
    assert (row.domain_low, row.domain_high) == GELU_DOMAIN
    assert row.outside == row.count // 32 * 2
    polynomial = find(calibrate(model, make_split(5), 0, LEAN), "layer0.activation", "gelu")
    assert polynomial.outside == 0
    assert polynomial.low == row.low


def test_scores_that_lie_too_far_apart(make_model: MakeModel, make_split: MakeSplit) -> None:
    model = make_model()
    with torch.no_grad():
        model.layer_weights[0]["qkv_weight"][:32].mul_(25)
    rows = calibrate(model, make_split(5), 0, LEAN)
    row = find(rows, "layer0.softmax", "exp")
    assert row.domain_low == QUADRATIC_EXP_DOMAIN[0]
    assert row.low < row.domain_low
    assert 0 < row.outside < row.count


def test_a_denominator_outside_the_domain_that_it_is_called_with(make_model: MakeModel, make_split: MakeSplit) -> None:
    split = make_split(9)
    model = make_model(softmax="two_quad")
    with torch.no_grad():
        model.layer_weights[1]["qkv_weight"][:32].mul_(8)
        model.layer_weights[1]["qkv_bias"][:32].mul_(8)
    rows = calibrate(model, split, 0, batch_size=3)
    bad = {(row.operator, row.primitive) for row in rows if row.outside}
    assert ("layer1.softmax", "divide") in bad
    assert ("layer0.softmax", "divide") not in bad


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_what_is_no_number_lies_outside(value: float) -> None:
    ops = Ranges()
    ops.inverse_sqrt(torch.tensor([1.0, value, 2.0]))
    (row,) = ops.seen.values()
    assert (row.outside, row.count) == (1, 3)
