"""Published softmax and LayerNorm approximations: their definitions, their errors, in floats, fixed point and MPC."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pibench.engines.lean.fixed_point import FixedPoint
from pibench.engines.lean.parties import LeanParties
from pibench.engines.lean.switches import LEAN
from pibench.model.floats import TorchInterpreter
from pibench.model.operators.norm import NORM
from pibench.model.operators.softmax import SOFTMAX
from tests.conftest import MakeModel
from tests.test_lean import check
from tests.test_operators import SHAPE, attention, masks, scores_in

KEYS = 128


def rows(keys: int, spread: float, count: int = 500, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(count, keys, generator=generator, dtype=torch.float64))[None, None]


def errors(name: str, scores: torch.Tensor) -> float:
    own = attention(name, scores, torch.ones(1, 1, 1, scores.shape[-1]))
    return float((own - functional.softmax(scores, -1)).abs().max())


@settings(max_examples=40)
@given(scores=scores_in(-30, 30), mask=masks)
def test_two_relu_is_a_normalised_relu(scores: np.ndarray, mask: np.ndarray) -> None:
    own = attention("two_relu", torch.from_numpy(scores).double(), torch.from_numpy(mask)).numpy()
    relu = np.maximum(scores.astype(np.float64), 0) * mask
    kept = mask.sum(-1, keepdims=True)
    np.testing.assert_allclose(own, relu / (relu.sum(-1, keepdims=True) + kept / 64), rtol=1e-6, atol=1e-7)
    assert (own.sum(-1) <= 1 + 1e-6).all()


@settings(max_examples=40)
@given(scores=scores_in(-12, 12), mask=masks)
def test_relu_cube_is_a_normalised_cube(scores: np.ndarray, mask: np.ndarray) -> None:
    own = attention("relu_cube", torch.from_numpy(scores).double(), torch.from_numpy(mask)).numpy()
    cubes = np.maximum(scores.astype(np.float64) / 2 + 1, 0) ** 3 * mask
    whole = cubes.sum(-1, keepdims=True) + mask.sum(-1, keepdims=True) / 64
    np.testing.assert_allclose(own, cubes / whole, rtol=1e-6, atol=1e-7)


@settings(max_examples=40)
@given(scores=scores_in(-30, 30), mask=masks)
def test_scaled_attention_is_the_score_over_the_length(scores: np.ndarray, mask: np.ndarray) -> None:
    own = attention("scaled", torch.from_numpy(scores).double(), torch.from_numpy(mask)).numpy()
    np.testing.assert_allclose(own, scores * mask / mask.sum(-1, keepdims=True), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["ode", "puma"])
@settings(max_examples=40)
@given(scores=scores_in(-12, 12), mask=masks)
def test_weights_are_a_distribution_over_kept_keys(name: str, scores: np.ndarray, mask: np.ndarray) -> None:
    own = attention(name, torch.from_numpy(scores), torch.from_numpy(mask)).numpy()
    np.testing.assert_allclose(own.sum(-1), 1, rtol=1e-4)
    assert (own >= -1e-6).all()
    assert (own[np.broadcast_to(mask == 0, SHAPE)] == 0).all()


@pytest.mark.parametrize(("keys", "bound"), [(8, 0.02), (KEYS, 0.14)])
def test_ode_comes_as_near_as_stated_while_nothing_is_clipped(keys: int, bound: float) -> None:
    scores = rows(keys, 2.0).clamp(-4, 12)
    assert bound / 2 < errors("ode", scores) < bound


def test_ode_loses_the_peak_of_what_it_clips() -> None:
    assert errors("ode", rows(KEYS, 8.0)) > 0.5


def test_ode_is_shift_invariant_only_inside_its_domain() -> None:
    scores = rows(8, 1.0).clamp(-2, 2)
    keep = torch.ones(1, 1, 1, 8)
    torch.testing.assert_close(attention("ode", scores + 3, keep), attention("ode", scores, keep), atol=0.01, rtol=0)
    assert float((attention("ode", scores - 30, keep) - 1 / 8).abs().max()) < 1e-9


def test_puma_s_exponential_is_as_near_as_stated() -> None:
    x = torch.linspace(-20, 0, 20_001, dtype=torch.float64)
    weights, total = SOFTMAX["puma"](TorchInterpreter(), x[None, None, None], torch.ones(1, 1, 1, len(x)), None)
    error = float((weights - x.exp()).abs().max())
    assert 0.008 < error < 0.0086
    assert total is not None and not weights[..., x < -14].any()


@pytest.mark.parametrize("name", ["two_relu", "relu_cube", "scaled", "ode", "puma"])
def test_fixed_point_is_near_floats(name: str) -> None:
    scores, keep = rows(32, 2.0, 50), torch.ones(1, 1, 1, 32)
    ops = FixedPoint(LEAN, inject=False)
    weights, total = SOFTMAX[name](ops, ops.encode(scores), keep, None)
    own = ops.normalise(weights, total)
    torch.testing.assert_close(own, attention(name, scores, keep), atol=0.01, rtol=0.01)
    assert not ops.overflows


def variance_error(name: str, variance: float) -> float:
    """Return the largest relative error of a norm of values with that variance."""
    x = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)[None] * variance**0.5
    one, zero = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    own = NORM[name](TorchInterpreter(), x, one, zero, 0.0)
    return float((own - x.sign()).abs().max())


@settings(max_examples=50)
@given(st.floats(2.0, 5880))
def test_goldschmidt_is_right_inside_its_domain(variance: float) -> None:
    assert variance_error("goldschmidt", variance) < 1e-3


@settings(max_examples=50)
@given(st.floats(0.09, 150))
def test_newton_is_right_inside_its_domain(variance: float) -> None:
    assert variance_error("newton", variance) < 0.04


@pytest.mark.parametrize(
    ("name", "variance"), [("goldschmidt", 0.5), ("goldschmidt", 6500.0), ("newton", 0.03), ("newton", 500.0)]
)
def test_norms_fail_outside_their_domain(name: str, variance: float) -> None:
    assert not variance_error(name, variance) < 0.05


@pytest.mark.mpc
@pytest.mark.parametrize(
    "operators",
    [
        *({"softmax": name} for name in ("two_relu", "relu_cube", "scaled", "ode", "puma")),
        *({"norm": name} for name in ("newton", "affine")),
    ],
    ids=lambda operators: next(iter(operators.values())),
)
def test_two_parties_compute_it_at_the_predicted_cost(
    parties: LeanParties, make_model: MakeModel, operators: dict[str, str]
) -> None:
    check(parties, make_model(layers=1, **operators))
