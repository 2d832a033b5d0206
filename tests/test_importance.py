from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ig3d.stability import agreement, half_agreement
from pibench.methods import importance
from pibench.methods.importance import IMPORTANCE, attributions, gated, sample
from pibench.methods.surgery.pruning import prune_heads
from pibench.model.module import Model
from tests.conftest import MakeModel, MakeSplit

LAYERS, HEADS = 2, 4


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_attributions_are_complete(make_model: MakeModel, make_split: MakeSplit, outputs: int) -> None:
    """The sum over all heads is what opening all gates is worth."""
    model, split = make_model(outputs=outputs).double(), make_split(12, outputs)
    found = attributions(model, split, 0, seed=0, steps=200)
    difference = found.open - found.closed
    assert found.values.shape == (12, LAYERS, HEADS)
    assert float(difference.abs().mean()) > 0.01
    torch.testing.assert_close(found.values.sum((1, 2)), difference, rtol=0.01, atol=1e-3, check_dtype=False)
    assert found.completeness_error < 0.005


def test_fewer_steps_are_less_complete(make_model: MakeModel, make_split: MakeSplit) -> None:
    model, split = make_model().double(), make_split(12)
    errors = [attributions(model, split, 0, 0, steps).completeness_error for steps in (1, 8, 64)]
    assert errors[0] > errors[1] > errors[2]


def test_taylor_is_the_slope_at_open_gates(make_model: MakeModel, make_split: MakeSplit) -> None:
    model, split, step = make_model().double(), make_split(5), 1e-5
    own = importance.taylor(model, split, 0, seed=0)
    (batch,) = sample(split, 0, seed=0)
    for layer in range(LAYERS):
        for head in range(HEADS):
            gates = torch.ones(5, LAYERS, HEADS, dtype=torch.float64)
            up, down = gates.clone(), gates.clone()
            up[:, layer, head] += step
            down[:, layer, head] -= step
            with torch.no_grad():
                slope = (gated(model, up, batch) - gated(model, down, batch)).abs() / (2 * step)
            torch.testing.assert_close(own[:, layer, head].double(), slope, rtol=1e-4, atol=1e-6)


def without_a_heads_output(model: Model, layer: int, head: int) -> Model:
    """Return a copy in which nothing depends on one head."""
    silent = copy.deepcopy(model)
    size = silent.architecture.layers[layer].head_size
    with torch.no_grad():
        silent.layer_weights[layer]["output_weight"][:, head * size : (head + 1) * size] = 0
    return silent


@pytest.mark.parametrize("name", sorted(set(IMPORTANCE) - {"random", "magnitude"}))
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_head_that_nothing_depends_on_is_worth_nothing(
    make_model: MakeModel, make_split: MakeSplit, name: str, outputs: int
) -> None:
    model, split = without_a_heads_output(make_model(outputs=outputs), 1, 2), make_split(10, outputs)
    scores = IMPORTANCE[name](model, split, 0, 0)
    assert scores.shape == (10, LAYERS, HEADS)
    assert (scores >= 0).all()
    assert float(scores[:, 1, 2].abs().max()) < 1e-6 < float(scores.mean(0).flatten().sort().values[1])


def test_magnitude_is_the_norm_of_all_that_pruning_a_head_removes(make_model: MakeModel, make_split: MakeSplit) -> None:
    model, split = make_model(), make_split(10)
    keep = torch.ones(LAYERS, HEADS, dtype=torch.bool)
    keep[1, 2] = False

    def energy(weights: nn.ParameterDict) -> torch.Tensor:
        return sum(weights[name].square().sum() for name in ("qkv_weight", "qkv_bias", "output_weight"))

    removed = energy(model.layer_weights[1]) - energy(prune_heads(model, keep).layer_weights[1])
    own = IMPORTANCE["magnitude"](model, split, 0, 0)
    assert own.shape == (10, LAYERS, HEADS)
    torch.testing.assert_close(own[0, 1, 2] ** 2, removed.detach())


@pytest.mark.parametrize("name", sorted(IMPORTANCE))
def test_importance_is_deterministic_and_leaves_no_gradients(
    make_model: MakeModel, make_split: MakeSplit, name: str
) -> None:
    model, split = make_model(), make_split(10)
    first, second = (IMPORTANCE[name](model, split, 0, 3) for _ in range(2))
    assert torch.equal(first, second)
    assert all(value.grad is None for value in model.parameters())


def test_agreement_of_halves() -> None:
    scores = torch.from_numpy(np.random.default_rng(0).random((40, LAYERS, HEADS)))
    noise = half_agreement(scores, draws=20)
    assert abs(np.mean(noise)) < 0.6
    same = scores[:1].expand(40, -1, -1)
    assert half_agreement(same, draws=3) == pytest.approx([1.0] * 3)
    assert agreement(scores[0], -scores[0]) == pytest.approx(-1)
