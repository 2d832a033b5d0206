"""The second and third dimension of IG-3D: what is fitted is the best there is, and serves as it was fitted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.switches import LEAN
from pibench.methods.surgery.activation import fit_linear, fit_parabolas, with_activation
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.softmax import attention, with_softmax
from pibench.model.module import Model
from pibench.model.operators.power import POWER_MEAN, POWERS, fit_power
from pibench.tasks.data import Split
from pibench.training.finetune import predict as predict_floats
from tests.conftest import MakeModel, MakeSplit

POWER = pytest.mark.parametrize("name", sorted(POWERS))


def scores_and_target(seed: int, spread: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = spread * torch.randn(3, 2, 7, 7, generator=generator)
    keep = torch.ones(3, 1, 1, 7)
    keep[1, ..., 5:] = 0
    return scores, scores.masked_fill(keep == 0, -torch.inf).softmax(-1), keep


def divergence(scores: torch.Tensor, target: torch.Tensor, keep: torch.Tensor, power: torch.Tensor) -> float:
    own = power * keep / (power * keep).sum(-1, keepdim=True)
    queries = keep.transpose(2, 3)
    return float((target * (target.clamp_min(1e-30).log() - own.clamp_min(1e-30).log()) * queries).sum())


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), spread=st.floats(0.3, 3), degree=st.sampled_from([2, 4, 8]))
def test_no_power_nearby_is_much_closer_to_the_softmax(seed: int, spread: float, degree: int) -> None:
    scores, target, keep = scores_and_target(seed, spread)
    scale, offset = fit_power(scores, target, keep, degree, by_sum=True)

    def error(scale: torch.Tensor, offset: torch.Tensor) -> float:
        power = (scores.double() * scale[:, None, None] + offset[:, None, None]) ** degree
        return divergence(scores, target.double(), keep.double(), power)

    best = error(scale, offset)
    queries = keep.transpose(2, 3)
    centre = (scores * target * queries).sum((0, 2, 3)) / (target * queries).sum((0, 2, 3))
    assert best <= error(torch.full((2,), 1 / degree), 1 - centre / degree) * (1 + 1e-4)
    for factor in (0.97, 1.03):
        assert best <= error(scale * factor, offset) * 1.25 + 1e-6


@POWER
def test_the_model_attends_as_was_fitted(make_model: MakeModel, make_split: MakeSplit, name: str) -> None:
    model = make_model()
    seen = observe(model, make_split(24), 0)
    changed = with_softmax(model, 0, name, seen)
    assert [layer.softmax for layer in changed.architecture.layers] == [name, "exact"]
    again = observe(changed, make_split(24), 0)
    keep = seen.keep[:, None, None, :].float()
    before = attention(model, 0, seen.values["layer0.scores"][1], keep)
    after = attention(changed, 0, again.values["layer0.scores"][1], keep)
    queries = keep.transpose(2, 3)
    gap = ((before - after).abs().sum(-1, keepdim=True) * queries).sum() / queries.sum() / before.shape[1]
    assert float(gap) < 1.0  # of at most 2, between two distributions
    assert bool((after >= 0).all())
    if POWERS[name].rescale:
        torch.testing.assert_close(after.sum(-1), torch.ones_like(after.sum(-1)))


@POWER
def test_a_score_outside_the_fitted_domain_cannot_explode(
    make_model: MakeModel, make_split: MakeSplit, name: str
) -> None:
    """Three times the scores seen: over their sum, weights still average values; over the length they grow as s**d."""
    model, split = make_model(), make_split(24)
    changed = with_softmax(model, 0, name, observe(model, split, 0))
    scores = observe(changed, split, 0).values["layer0.scores"][1]
    wide = attention(changed, 0, 3 * scores, torch.ones(1, 1, 1, scores.shape[-1]))
    assert bool(torch.isfinite(wide).all() and (wide >= 0).all())
    if POWERS[name].rescale:
        assert float(wide.sum(-1).max()) == pytest.approx(1, abs=1e-4)
    else:
        offset = changed.layer_weights[0]["softmax_coefficients"].detach().abs().max()
        assert float(wide.max()) <= float((3 * scores.abs().max() + offset) ** (1 / POWERS[name].typical_scale))
    with torch.no_grad():
        changed.layer_weights[0]["qkv_weight"][: 2 * 16] *= 3**0.5
    assert np.isfinite(predict_fixed(changed, split, 0, LEAN, inject=False).logits).all()


@pytest.mark.parametrize("name", ["power2", "power4", "power4_length"])
def test_fixed_point_serves_the_fitted_model(make_model: MakeModel, make_split: MakeSplit, name: str) -> None:
    split = make_split(12)
    model = make_model(layers=1)
    changed = with_softmax(model, 0, name, observe(model, split, 0))
    emulated = predict_fixed(changed, split, 0, LEAN, inject=False)
    np.testing.assert_allclose(emulated.logits, predict_floats(changed, split, 0), atol=0.05)
    assert POWER_MEAN[0] < 1 < POWER_MEAN[1]


def test_a_higher_degree_costs_a_round_and_an_opening_more(make_model: MakeModel) -> None:
    costs = [predict(make_model(layers=1, softmax=f"power{d}").architecture, 1, 8).costs for d in (2, 4, 8)]
    sums = [cost["layer0.softmax"] for cost in costs]
    opened = 16 * 4 * 8 * 8
    assert [b.bytes - a.bytes for a, b in itertools.pairwise(sums)] == [opened, opened]
    assert [b.rounds - a.rounds for a, b in itertools.pairwise(sums)] == [1, 1]
    length = predict(make_model(layers=1, softmax="power2_length").architecture, 1, 8).costs["layer0.softmax"]
    assert (length.bytes, length.rounds) == (opened, 1)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), spread=st.floats(0.3, 2), centre=st.floats(-1, 1))
def test_parabolas_are_the_least_squares_ones(seed: int, spread: float, centre: float) -> None:
    x = torch.from_numpy(np.random.default_rng(seed).normal(centre, spread, (300, 3)))
    goal = functional.gelu(x)
    own = fit_parabolas(x, goal).double().numpy()
    for neuron in range(3):
        best = np.polyfit(x[:, neuron], goal[:, neuron], 2)[::-1]
        if abs(best[2]) > 0.03:
            np.testing.assert_allclose(own[:, neuron], best, atol=1e-4)


def test_a_flat_neuron_keeps_its_curvature_off_zero_and_its_line() -> None:
    x = torch.linspace(5, 6, 50).double()[:, None]
    p0, p1, p2 = fit_parabolas(x, x).double().numpy()[:, 0]
    assert abs(p2) == pytest.approx(0.02)
    np.testing.assert_allclose(p0 + p1 * x + p2 * x**2, x, atol=0.006)


def ffn_output(model: Model, split: Split) -> torch.Tensor:
    last = "ffn_out" if model.architecture.layers[0].ffn_size else "ffn"
    return observe(model, split, 0).tokens(f"layer0.{last}")[1]


def hidden_gap(first: Model, second: Model, split: Split) -> float:
    own, other = ffn_output(first, split), ffn_output(second, split)
    return float((own - other).square().mean() / own.square().mean())


@pytest.mark.parametrize(("name", "bound"), [("relu", 0.2), ("square", 0.05), ("identity", 0.5)])
def test_substitution_stays_near_the_layers_own_output(
    make_model: MakeModel, make_split: MakeSplit, name: str, bound: float
) -> None:
    model, split = make_model(), make_split(60)
    changed = with_activation(model, 0, name, observe(model, split, 0))
    assert [layer.activation for layer in changed.architecture.layers] == [name, "gelu"]
    assert hidden_gap(model, changed, split) < bound


def test_squares_hold_exactly_the_fitted_parabolas(make_model: MakeModel, make_split: MakeSplit) -> None:
    model, split = make_model(), make_split(60)
    seen = observe(model, split, 0)
    changed = with_activation(model, 0, "square", seen)
    inputs = seen.tokens("layer0.ffn_in")[1]
    p0, p1, p2 = fit_parabolas(inputs, functional.gelu(inputs))
    own = model.layer_weights[0]
    goal = (p0 + p1 * inputs + p2 * inputs**2) @ own["ffn_out_weight"].T + own["ffn_out_bias"]
    torch.testing.assert_close(
        observe(changed, split, 0).tokens("layer0.ffn_out")[1], goal.detach(), rtol=1e-3, atol=1e-4
    )


def test_one_matrix_is_the_ridge_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 5, generator=generator)
    weight, bias = torch.randn(3, 5, generator=generator), torch.randn(3, generator=generator)
    own_weight, own_bias = fit_linear(x, x @ weight.T + bias)
    torch.testing.assert_close(own_weight, weight, atol=0.01, rtol=0)
    torch.testing.assert_close(own_bias, bias, atol=0.01, rtol=0)
