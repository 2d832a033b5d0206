from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from pibench.engines.lean.fixed_point import FixedPoint, predict_fixed
from pibench.engines.lean.switches import LEAN, PLAIN, Switches
from pibench.model.floats import TorchInterpreter
from pibench.training.finetune import predict
from tests.conftest import MakeModel, MakeSplit

ONE = 2**16


def full(value: float, count: int) -> torch.Tensor:
    return torch.full((count,), value, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def two_parties(z: int, divisor: int, count: int, seed: int = 0) -> torch.Tensor:
    """Share the ring integer z, let each party divide its own share, add up."""
    x = torch.empty(count, dtype=torch.int64)
    x.random_(-(2**63), None, generator=torch.Generator().manual_seed(seed))
    y = z - x
    return x.div(divisor, rounding_mode="floor") - (-y).div(divisor, rounding_mode="floor")


def fixed(bits: int = 16, **options: bool) -> FixedPoint:
    return FixedPoint(replace(PLAIN, fraction_bits=bits), seed=1, **options)


@pytest.mark.parametrize(("a", "b"), [(45_875, 13_107), (-45_875, 13_107), (-3, 2), (7 * ONE + 1, -5), (ONE, 77)])
def test_rounding_is_that_of_two_parties(a: int, b: int) -> None:
    count, goal = 100_000, a * b / ONE
    real = two_parties(a * b, ONE, count).double()
    own = fixed().mul(full(a / ONE, count), full(b / ONE, count)) * ONE
    share = goal % 1
    error = (share * (1 - share) / count) ** 0.5
    for rounded in (real, own):
        assert set(rounded.tolist()) <= {np.floor(goal), np.ceil(goal)}
        assert abs(float(rounded.mean()) - goal) <= 5 * error
    assert abs(float(real.var() - own.var())) <= 7 * error


@pytest.mark.parametrize("constant", [1 / 384, 0.5, -0.3, 1.7, 0.76431926 / 256])
def test_scaling_by_a_public_constant(constant: float) -> None:
    count, a = 50_000, 3.3
    ops = fixed()
    on_grid = float(ops.encode(full(a, 1)))
    out = ops.scale(full(on_grid, count), constant)
    spread = 0.5 / ONE / count**0.5
    assert abs(float(out.mean()) - on_grid * constant) <= 5 * spread + 2**-17 * abs(on_grid * constant)
    assert float(out.max() - out.min()) <= 1 / ONE


def test_integers_bits_and_multiples_are_exact() -> None:
    ops = fixed()
    x = ops.encode(10 * normal(2000))
    bit = ops.is_negative(x)
    assert torch.equal(ops.relu(x), x.relu())
    assert torch.equal(ops.scale(x, -3), -3 * x)
    assert torch.equal(ops.mul(x, ops.shift(ops.scale(bit, -2), 1.0)), x.abs())
    assert torch.equal(ops.scale(bit, 0.25), bit * 0.25)
    assert not ops.expected_wraps
    assert torch.equal(ops.mul(x, torch.ones_like(x)), x)
    assert ops.expected_wraps.keys() == {""}


def test_every_result_lies_on_the_grid() -> None:
    ops, x = fixed(bits=9), normal(50)
    for value in (ops.encode(x), ops.mul(x, x), ops.scale(x, 0.3), ops.matmul(x[:, None], x[None]), ops.gelu(x)):
        assert torch.equal(value * 2**9, (value * 2**9).round())


@pytest.mark.parametrize("sign", [1, -1])
def test_products_wrap_as_often_as_two_parties_do(sign: int) -> None:
    count, z, ops = 400_000, sign * 2**56, fixed()
    with ops.scope("large"):
        own = ops.mul(full(sign * 2.0**12, count), full(2.0**12, count)) - z / 2**32
    real = two_parties(z, ONE, count) / ONE - z / 2**32
    expected = count * 2**56 / 2**64
    assert ops.expected_wraps == {"large": pytest.approx(expected, rel=1e-6)}
    for error in (real, own):
        hit = error.abs() > 1
        assert abs(int(hit.sum()) - expected) <= 5 * expected**0.5
        torch.testing.assert_close(error[hit].float(), full(-sign * 2.0**32, int(hit.sum())).float())
    assert ops.wraps == {"large": int((own.abs() > 1).sum())}


def test_divisions_wrap_as_often_as_two_parties_do() -> None:
    count, value, ops = 400_000, 2.0**24, fixed()
    factor, bits = 92_275, 23  # of 0.011: as many significant bits as a number has fractional ones
    own = ops.scale(full(value, count), 0.011) - value * 0.011
    real = two_parties(2**40 * factor, 2**bits, count) / ONE - value * 0.011
    expected = count * factor / 2**24
    assert ops.expected_wraps[""] == pytest.approx(expected, rel=1e-6)
    for error in (real, own):
        hit = error.abs() > 1
        assert abs(int(hit.sum()) - expected) <= 5 * expected**0.5
        torch.testing.assert_close(error[hit].float(), full(-(2.0 ** (48 - bits)), int(hit.sum())).float())


def test_a_small_constant_has_more_bits_and_so_wraps_sooner() -> None:
    ops = fixed()
    ops.scale(full(1.0, 100), 0.011)
    assert ops.expected_wraps[""] == pytest.approx(100 * 0.011 * 2**16 * 2**23 / 2**64, rel=1e-4)


def test_wraps_hit_the_large_elements() -> None:
    x = torch.cat([full(1.0, 100_000), full(2.0**13, 1000)])
    ops = fixed()
    wrapped = (ops.square(x) - x * x).abs() > 1
    assert int(wrapped.sum()) == ops.wraps[""] > 0
    assert not wrapped[:100_000].any()


def test_expected_wraps_grow_with_the_fourth_power_of_two_to_the_bits() -> None:
    x = normal(64, 64)
    expected = {}
    for bits in (12, 14, 16):
        ops = fixed(bits=bits)
        ops.matmul(x, x)
        expected[bits] = ops.expected_wraps[""]
    assert expected[14] / expected[12] == pytest.approx(16, rel=1e-9)
    assert expected[16] / expected[12] == pytest.approx(256, rel=1e-9)
    assert expected[16] == pytest.approx(float((x @ x).abs().sum()) * 2.0**-32)


def test_without_injection_wraps_are_expected_only() -> None:
    ops = fixed(inject=False)
    x = full(2.0**10, 1_000_000)
    assert torch.equal(ops.square(x), x * x)
    assert ops.expected_wraps[""] == pytest.approx(1_000_000 / 2**12)
    assert not ops.wraps


def test_what_is_beyond_the_ring_is_reported_and_stays_finite() -> None:
    ops = fixed(inject=False)
    with ops.scope("layer0"), ops.scope("ffn_norm"):
        out = ops.square(torch.tensor([1.0, 2.0**15.5, 2.0**15.4, 2.0**20, -(2.0**30)], dtype=torch.float64))
    assert ops.overflows == {"layer0.ffn_norm": 3}
    assert float(out.abs().max()) <= 2**31


def test_a_linear_layer_s_error_shrinks_with_the_bits() -> None:
    x, weight, bias = normal(200, 64), normal(32, 64, seed=1), normal(32, seed=2)
    errors = []
    for bits in (8, 12, 16):
        ops = fixed(bits)
        own = ops.linear(ops.encode(x), ops.encode(weight), ops.encode(bias))
        errors.append(float((own - functional.linear(x, weight, bias)).std()))
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(16, rel=0.05)


@pytest.mark.parametrize(("bits", "limit"), [(16, 3e-3), (24, 7.1e-4)])
def test_gelu_error(bits: int, limit: float) -> None:
    """7e-4 is the formula's; at 16 bits the eight squarings make as much of the rounding."""
    ops = fixed(bits, inject=False)
    x = ops.encode(torch.linspace(-34, 34, 5001))
    assert float((ops.gelu(x) - functional.gelu(x)).abs().max()) <= limit


def test_softmax_error() -> None:
    ops, keep = fixed(inject=False), torch.ones(2, 1, 1, 32, dtype=torch.int64)
    keep[1, ..., 20:] = 0
    scores = ops.encode(3 * normal(2, 4, 8, 32))
    own = ops.normalise(*ops.softmax(scores, keep))
    assert float((own - TorchInterpreter().softmax(scores, keep)[0]).abs().max()) <= 0.015
    assert float((own.sum(-1) - 1).abs().max()) <= 3e-3
    assert float(own[1, ..., 20:].abs().max()) <= 2 / ONE


def test_layer_norm_error() -> None:
    ops = fixed(inject=False)
    x, weight, bias = ops.encode(3 * normal(50, 64)), torch.ones(64).double(), torch.zeros(64).double()
    own, goal = ops.layer_norm(x, weight, bias, 1e-12), functional.layer_norm(x, (64,), weight, bias, 1e-12)
    assert bool(((own - goal).abs() <= 1.6e-3 * goal.abs() + 1e-3).all())


def test_the_same_seed_gives_the_same_numbers() -> None:
    x = normal(300)
    first, again, other = (FixedPoint(seed=seed).gelu(x) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weights_are_put_on_the_grid_once_and_coefficients_stay(make_model: MakeModel) -> None:
    model = make_model(activation="quadratic")
    weights = fixed().quantise(model.weights())
    for name, value in weights.layers[0].items():
        original = model.layer_weights[0][name].detach()
        if name == "activation_coefficients":
            assert torch.equal(value, original)
        else:
            assert torch.equal(value * ONE, (value * ONE).round())
            assert 0 < float((value - original).abs().max()) <= 0.5 / ONE


@pytest.mark.parametrize("switches", [PLAIN, replace(LEAN, fraction_bits=20)], ids=["plain", "lean"])
@pytest.mark.parametrize("kind", [{}, {"softmax": "two_quad"}, {"activation": "quadratic"}, {"outputs": 1}], ids=str)
def test_logits_of_a_tiny_model(
    make_model: MakeModel, make_split: MakeSplit, kind: dict[str, str], switches: Switches
) -> None:
    model, split = make_model(**kind), make_split(9)
    result = predict_fixed(model, split, 0, switches, inject=False, batch_size=4)
    floats = predict(model, split, 0)
    assert result.logits.dtype == np.float32
    assert result.logits.shape == floats.shape
    assert 0 < np.abs(result.logits - floats).max() < 0.02
    assert not result.wraps
    assert not result.overflows
    assert {"layer0.scores", "layer1.ffn_norm", "pooler", "classifier"} <= result.expected_wraps.keys()
    assert 0 < sum(result.expected_wraps.values()) < 0.1
