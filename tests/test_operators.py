from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from pibench.model.floats import TorchInterpreter
from pibench.model.operators.activation import ACTIVATION, MPCFORMER_QUAD
from pibench.model.operators.norm import NORM
from pibench.model.operators.power import POWERS
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.primitives import Interpreter

OPS = TorchInterpreter()
SHAPE = (2, 3, 4, 6)


class Decomposed(TorchInterpreter):
    """Torch floats through the default decompositions."""

    softmax = Interpreter.softmax
    layer_norm = Interpreter.layer_norm


def attention(
    name: str,
    scores: torch.Tensor,
    keep: torch.Tensor,
    coefficients: torch.Tensor | None = None,
    ops: Interpreter = OPS,
) -> torch.Tensor:
    return ops.normalise(*SOFTMAX[name](ops, scores, keep, coefficients))


def scores_in(low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, SHAPE, elements=st.floats(low, high, width=32))


# The first key is always kept: a sentence has at least one token.
masks = arrays(np.int64, (SHAPE[0], 1, 1, SHAPE[-1]), elements=st.integers(0, 1)).map(
    lambda mask: np.concatenate([np.ones_like(mask[..., :1]), mask[..., 1:]], -1)
)


@settings(max_examples=40)
@given(scores=scores_in(-4, 20), mask=masks)
def test_two_quad_is_a_normalised_square(scores: np.ndarray, mask: np.ndarray) -> None:
    result = attention("two_quad", torch.from_numpy(scores), torch.from_numpy(mask)).numpy()
    squares = (scores.astype(np.float64) + 5) ** 2 * mask
    np.testing.assert_allclose(result, squares / squares.sum(-1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(result.sum(-1), 1, rtol=1e-5)
    assert (result[np.broadcast_to(mask == 0, SHAPE)] == 0).all()


@settings(max_examples=40)
@given(scores=scores_in(-100, 100), mask=masks, name=st.sampled_from(sorted(POWERS)), offset=st.floats(0.1, 2))
def test_a_power_softmax_is_what_it_says_however_far_a_score_strays(
    scores: np.ndarray, mask: np.ndarray, name: str, offset: float
) -> None:
    offsets = torch.tensor([offset, 1.0, 0.5])
    own = attention(name, torch.from_numpy(scores).double(), torch.from_numpy(mask), offsets).numpy()
    degree, by_sum = int(name.removeprefix("power")[0]), not name.endswith("_length")
    powers = (scores + offsets.double().numpy()[:, None, None]) ** degree * mask
    whole = powers.sum(-1, keepdims=True) if by_sum else mask.sum(-1, keepdims=True)
    defined = np.broadcast_to(whole > 1e-30, SHAPE)
    goal = np.divide(powers, whole, where=defined, out=np.zeros(SHAPE))
    np.testing.assert_allclose(own[defined], goal[defined], rtol=1e-6)
    assert (own[defined] >= 0).all()
    if by_sum:  # an average of the values, so that nothing can explode
        assert (own[defined] <= 1 + 1e-9).all()


def test_powers_tend_to_the_softmax_as_the_degree_grows() -> None:
    scores, keep = torch.linspace(-2, 2, 6).expand(1, 1, 1, 6), torch.ones(1, 1, 1, 6)
    goal = functional.softmax(scores, -1)
    errors = [float((attention(f"power{d}", scores / d, keep, torch.ones(1)) - goal).abs().max()) for d in (2, 4, 8)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]
    assert errors[2] < 0.04


def test_a_power_softmax_needs_its_coefficients() -> None:
    with pytest.raises(ValueError, match="coefficient"):
        attention("power2", torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))


def test_two_quad_is_not_monotone_as_published() -> None:
    weights = attention("two_quad", torch.tensor([[[[-10.0, 0.0, -5.0]]]]), torch.ones(1, 1, 1, 3))
    assert weights.flatten().tolist() == pytest.approx([0.5, 0.5, 0.0])


@settings(max_examples=40)
@given(scores=scores_in(-20, 20), mask=masks)
def test_exact_softmax_gives_masked_keys_no_weight(scores: np.ndarray, mask: np.ndarray) -> None:
    # Masked scores lie 50 lower, so within a spread of 20 their weights vanish below exp(-30).
    values, keep = torch.from_numpy(scores) / 2, torch.from_numpy(mask)
    goal = functional.softmax(values.masked_fill(keep == 0, -torch.inf), -1)
    for ops in (OPS, Decomposed()):
        torch.testing.assert_close(attention("exact", values, keep, ops=ops), goal, rtol=0, atol=1e-6)


def test_decomposed_layer_norm_is_the_fused_one() -> None:
    torch.manual_seed(1)
    x, weight, bias = 3 * torch.randn(2, 5, 16) + 1, torch.randn(16), torch.randn(16)
    fused = NORM["layer_norm"](OPS, x, weight, bias, 1e-12)
    torch.testing.assert_close(NORM["layer_norm"](Decomposed(), x, weight, bias, 1e-12), fused)


def test_layer_norm_uses_its_epsilon() -> None:
    x, one, zero = torch.tensor([[0.001, -0.001]]), torch.ones(2), torch.zeros(2)
    for ops in (OPS, Decomposed()):
        assert NORM["layer_norm"](ops, x, one, zero, 1.0).abs().max() < 0.002


def test_quadratic_with_mpcformers_coefficients() -> None:
    x = torch.arange(-8, 9) / 4  # exact in binary, so the result must be too
    result = ACTIVATION["quadratic"](OPS, x, torch.tensor(MPCFORMER_QUAD))
    assert torch.equal(result, 0.125 * x**2 + 0.25 * x + 0.5)


def test_quadratic_needs_coefficients() -> None:
    with pytest.raises(ValueError, match="three coefficients"):
        ACTIVATION["quadratic"](OPS, torch.zeros(1), None)


def test_gelu_and_relu_are_torchs_own() -> None:
    x = torch.linspace(-6, 6, 101)
    assert torch.equal(ACTIVATION["gelu"](OPS, x, None), functional.gelu(x))
    assert torch.equal(ACTIVATION["relu"](OPS, x, None), functional.relu(x))


FITTED = {name: torch.ones(SHAPE[1]) for name in POWERS}


@pytest.mark.parametrize("name", sorted(SOFTMAX))
@pytest.mark.parametrize("ops", [OPS, Decomposed()], ids=["fused", "decomposed"])
def test_a_masked_key_has_no_weight_however_large_its_score(name: str, ops: Interpreter) -> None:
    scores, keep = torch.linspace(-1, 1, math.prod(SHAPE)).reshape(SHAPE), torch.ones(SHAPE[-1])
    keep[-2:] = 0
    scores[..., -2], scores[..., -1] = 100.0, 1e6
    result = attention(name, scores, keep, FITTED.get(name), ops)
    alone = attention(name, scores[..., :-2], keep[:-2], FITTED.get(name), ops)
    assert (result[..., -2:] == 0).all()
    torch.testing.assert_close(result[..., :-2], alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["exact", "puma"])
@pytest.mark.parametrize("ops", [OPS, Decomposed()], ids=["fused", "decomposed"])
def test_a_row_without_a_kept_key_has_finite_weights_and_gradients(
    name: str, ops: Interpreter, dtype: torch.dtype
) -> None:
    scores = torch.linspace(-90, 90, math.prod(SHAPE)).reshape(SHAPE).to(dtype).requires_grad_()
    keep = torch.ones(SHAPE[-2:]).tril(-1)  # the first query attends to nothing
    result = attention(name, scores, keep, ops=ops)
    result.float().square().sum().backward()
    assert result.isfinite().all() and scores.grad is not None and scores.grad.isfinite().all()
    assert (scores.grad[keep.expand(SHAPE) == 0] == 0).all()
