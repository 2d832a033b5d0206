"""A secret bias of scores for each head and distance: in floats, under every softmax, pruned, fitted and served."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from pibench.engines.lean.calibrate import calibrate
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.ledger import predict as predict_cost
from pibench.engines.lean.switches import LEAN
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.pruning import prune_heads
from pibench.methods.surgery.softmax import with_softmax
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import distance_buckets
from pibench.model.module import Model
from pibench.model.observe import Observer
from pibench.model.operators.operator import scaled_scores
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.parameters import Visibility, parameters
from pibench.training.finetune import predict
from tests.conftest import MakeModel, MakeSplit

BUCKETS = 32
IDS = torch.tensor([[1, 10, 25, 31, 44, 17, 2], [1, 44, 12, 2, 0, 0, 0]])
SEGMENTS = torch.zeros_like(IDS)
KEEP = (IDS > 0).long()


@pytest.fixture
def biased(make_model: MakeModel) -> Model:
    return make_model(position_buckets=BUCKETS)


@torch.no_grad()
def scores(model: Model, layer: int = 0) -> torch.Tensor:
    """Return a layer's scores, as every softmax and every observer gets them."""
    seen: dict[str, torch.Tensor] = {}
    model(IDS, SEGMENTS, KEEP, Observer(lambda name, _, output: seen.update({name: output})))
    return seen[f"layer{layer}.scores"]


def table(model: Model, layer: int = 0) -> torch.Tensor:
    """Return the bias of every pair of positions, spelt out: (heads, queries, keys)."""
    length = IDS.shape[1]
    offsets = torch.arange(length)[None] - torch.arange(length)[:, None]
    buckets = MPNetEncoder.relative_position_bucket(offsets, num_buckets=BUCKETS)
    return model.layer_weights[layer]["position_bias"].detach()[:, buckets]


@pytest.mark.parametrize("length", [1, 2, 9, 17, 128, 300])
def test_buckets_are_those_of_mpnet(length: int) -> None:
    offsets = torch.arange(length)[None] - torch.arange(length)[:, None]
    theirs = MPNetEncoder.relative_position_bucket(offsets, num_buckets=BUCKETS)
    assert torch.equal(distance_buckets(length, BUCKETS, torch.device("cpu")), theirs)


def test_the_table_is_secret_and_one_of_each_layer(biased: Model) -> None:
    for place in parameters(biased.architecture)[:-1]:
        assert place["position_bias"].shape == (4, BUCKETS)
        assert place["position_bias"].visibility is Visibility.SECRET
        assert not place["position_bias"].multiplies


def test_observers_see_the_biased_scores(biased: Model) -> None:
    without = biased.rebuilt(biased.architecture.with_layers(position_buckets=0)).eval()
    added = table(biased).expand(2, -1, -1, -1)
    torch.testing.assert_close(scores(biased) - scores(without), added, rtol=0, atol=1e-5)


class Adds(TorchInterpreter):
    """Adds a table to the scores of a model without one."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._tables = {f"layer{index}.scores": table(model, index) for index in (0, 1)}

    def attention_scores(self, query: torch.Tensor, key: torch.Tensor, bias: Any = None) -> torch.Tensor:
        return super().attention_scores(query, key) + self._tables[self.operator]


@torch.no_grad()
@pytest.mark.parametrize("name", SOFTMAX)
def test_every_softmax_sees_the_biased_scores(make_model: MakeModel, name: str) -> None:
    model = make_model(position_buckets=BUCKETS, softmax=name)
    for coefficients in model.unset().values():
        coefficients.fill_(1)
    for weights in model.layer_weights:
        if "softmax_coefficients" in weights:
            weights["softmax_coefficients"].fill_(1)
    without = model.rebuilt(model.architecture.with_layers(position_buckets=0)).eval()
    own, other = (each(IDS, SEGMENTS, KEEP, ops).logits for each, ops in ((model, None), (without, Adds(model))))
    torch.testing.assert_close(own, other, rtol=0, atol=1e-5)
    assert not torch.allclose(own, without(IDS, SEGMENTS, KEEP).logits, atol=1e-3)


def test_a_temperature_divides_the_biased_score(make_model: MakeModel) -> None:
    model = make_model(layers=1, position_buckets=BUCKETS, temperatures=IDS.shape[1])
    log_temperature = torch.linspace(-1, 1, 4 * IDS.shape[1]).reshape(4, -1)
    with torch.no_grad():
        model.layer_weights[0]["temperature_coefficients"].copy_(log_temperature)
    cold = model.rebuilt(model.architecture.with_layers(temperatures=0)).eval()
    torch.testing.assert_close(scores(model) * log_temperature.exp()[..., None], scores(cold), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("temperatures", [0, IDS.shape[1]])
def test_pruned_is_masked(make_model: MakeModel, temperatures: int) -> None:
    model = make_model(position_buckets=BUCKETS, temperatures=temperatures)
    if temperatures:
        for index, weights in enumerate(model.layer_weights):
            weights["temperature_coefficients"].copy_(torch.randn(4, temperatures).mul(0.3) + index)
    keep = torch.tensor([[1, 0, 1, 1], [0, 0, 1, 0]]).bool()
    pruned = prune_heads(model, keep)
    masked, own = model(IDS, SEGMENTS, KEEP, gates=keep.float()), pruned(IDS, SEGMENTS, KEEP)
    torch.testing.assert_close(own.logits, masked.logits, rtol=0, atol=1e-5)
    assert torch.equal(pruned.layer_weights[0]["position_bias"], model.layer_weights[0]["position_bias"][keep[0]])
    assert scores(model)[:, keep[0]].equal(scores(pruned))


def test_scaled_scores_are_scaled_with_their_bias(biased: Model) -> None:
    before, scale = scores(biased), torch.tensor([0.5, 2.0, 3.0, -1.0])
    own = biased.layer_weights[0]
    changed = scaled_scores(biased.architecture.layers[0], own, scale)
    with torch.no_grad():
        for name, value in changed.items():
            own[name].copy_(value)
    torch.testing.assert_close(scores(biased), before * scale[:, None, None], rtol=0, atol=1e-5)


def test_a_fitted_softmax_scales_the_bias_too(biased: Model, make_split: MakeSplit) -> None:
    fitted = with_softmax(biased, 0, "power2", observe(biased, make_split(20), 0))
    ratio = scores(fitted) / scores(biased)
    torch.testing.assert_close(ratio, ratio[:1, :, :1, :1].expand(ratio.shape), rtol=1e-3, atol=0)
    assert not math.isclose(float(ratio[0, 0, 0, 0]), 1.0, abs_tol=1e-3)


def test_fixed_point_comes_near_the_floats_and_calibration_sees_the_bias(biased: Model, make_split: MakeSplit) -> None:
    split = make_split(12)
    emulated, floats = predict_fixed(biased, split, 0, LEAN, inject=False).logits, predict(biased, split, 0)
    assert np.abs(emulated - floats).max() < 0.04
    with torch.no_grad():
        biased.layer_weights[0]["position_bias"].fill_(1000)
    (seen,) = [
        one for one in calibrate(biased, split, 0) if (one.operator, one.primitive) == ("layer0.scores", "scores")
    ]
    assert seen.low > 900


def test_it_costs_nothing(make_model: MakeModel) -> None:
    plain, biased = (make_model(position_buckets=buckets).architecture for buckets in (0, BUCKETS))
    assert predict_cost(plain, 2, 9).costs == predict_cost(biased, 2, 9).costs
    assert plain.key != biased.key
