"""Public factors bring numbers into the engine's domains, and change nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pibench.engines.lean.calibrate import calibrate
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.ledger import predict as predict_cost
from pibench.engines.lean.rescale import rescaled
from pibench.engines.lean.switches import LEAN
from pibench.model.module import Model
from pibench.training.finetune import predict
from tests.conftest import MakeModel, MakeSplit


def outside(model: Model, split: object) -> set[tuple[str, str]]:
    return {(seen.operator, seen.primitive) for seen in calibrate(model, split, 0, LEAN) if seen.outside}  # type: ignore[arg-type]


def test_a_model_inside_all_domains_is_returned_as_it_is(make_model: MakeModel, make_split: MakeSplit) -> None:
    model = make_model()
    assert rescaled(model, make_split(20), 0) is model


def test_a_large_variance_is_brought_down_before_layer_norm(make_model: MakeModel, make_split: MakeSplit) -> None:
    model, split = make_model(activation="quad"), make_split(20)
    with torch.no_grad():
        model.layer_weights[0]["ffn_out_weight"].mul_(3000)
    assert ("layer0.ffn_norm", "inverse_sqrt") in outside(model, split)
    changed = rescaled(model, split, 0)
    assert outside(changed, split) == set()
    assert [layer.scaled for layer in changed.architecture.layers] == [True, False]
    floats = predict(model, split, 0)
    np.testing.assert_allclose(predict(changed, split, 0), floats, atol=1e-4)
    own, before = (predict_fixed(each, split, 0, LEAN).logits for each in (changed, model))
    assert np.abs(own - floats).max() < 0.02 < np.abs(before - floats).max()
    costs = [predict_cost(each.architecture, 1, 8).total() for each in (model, changed)]
    assert (costs[0].bytes, costs[0].rounds) == (costs[1].bytes, costs[1].rounds)


def test_a_small_variance_is_brought_up_before_the_norm_of_attention(
    make_model: MakeModel, make_split: MakeSplit
) -> None:
    model, split = make_model(), make_split(20)
    with torch.no_grad():
        for own, name in ((0, "ffn_norm_weight"), (0, "ffn_norm_bias"), (1, "output_weight"), (1, "output_bias")):
            model.layer_weights[own][name].mul_(0.03)
    assert ("layer1.attention_norm", "inverse_sqrt") in outside(model, split)
    changed = rescaled(model, split, 0)
    assert outside(changed, split) == set()
    assert [layer.attention_scaled for layer in changed.architecture.layers] == [False, True]
    floats = predict(model, split, 0)
    np.testing.assert_allclose(predict(changed, split, 0), floats, atol=1e-4)
    own, before = (np.abs(predict_fixed(each, split, 0, LEAN).logits - floats).max() for each in (changed, model))
    assert own < 0.05 < before
    costs = [predict_cost(each.architecture, 1, 8).total() for each in (model, changed)]
    assert (costs[0].bytes, costs[0].rounds) == (costs[1].bytes, costs[1].rounds)


@pytest.mark.parametrize(("name", "buckets"), [("power2", 0), ("power4", 0), ("power2", 32)])
def test_a_power_softmax_is_recentred_head_by_head(
    make_model: MakeModel, make_split: MakeSplit, name: str, buckets: int
) -> None:
    model, split = make_model(softmax=name, position_buckets=buckets), make_split(20)
    with torch.no_grad():
        for weights, offset in zip(model.layer_weights, (1.0, 4.0), strict=True):
            weights["softmax_coefficients"].copy_(torch.tensor([3.0, 3.0, 4.0, 16.0]) * offset)
    assert outside(model, split)
    changed = rescaled(model, split, 0)
    assert outside(changed, split) == set()
    assert changed.architecture == model.architecture
    np.testing.assert_allclose(predict(changed, split, 0), predict(model, split, 0), atol=1e-4)
