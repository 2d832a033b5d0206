from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pibench.engines.lean.lookup import TANH_DOMAIN, LookupTable
from pibench.engines.lean.lowering import INVERSE_SQRT_DOMAIN, QUADRATIC_EXP_DOMAIN, Read, SecretSharing
from pibench.engines.lean.switches import LEAN, PLAIN, Switches
from pibench.model.floats import TorchInterpreter
from pibench.model.primitives import MASK_VALUE


class Plain(SecretSharing):
    """The lowering with exact protocol steps: what is left is its approximation error.

    Of a table's two points around a number it reads the one above or, ``below``, the one under it.
    """

    def __init__(self, switches: Switches, below: bool = False) -> None:
        super().__init__(switches)
        self._below = below

    def mul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a * b

    def square(self, a: torch.Tensor) -> torch.Tensor:
        return a * a

    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    def is_negative(self, a: torch.Tensor) -> torch.Tensor:
        return (a < 0).to(a.dtype)

    def lookup(self, a: torch.Tensor, tables: Sequence[LookupTable]) -> list[Read]:
        reads = []
        for table in tables:
            index = (a / table.step).floor() + (0 if self._below else 1)
            reads.append(Read(list(table.columns[:, index.long() % table.points]), a - index * table.step))
        return reads


OPS, LEAN_OPS = Plain(PLAIN), Plain(LEAN)
EITHER = pytest.mark.parametrize("lean", [LEAN_OPS, Plain(LEAN, below=True)], ids=["above", "below"])
BOTH = pytest.mark.parametrize("ops", [OPS, LEAN_OPS], ids=["plain", "lean"])


def grid(low: float, high: float, count: int = 20_001) -> torch.Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


def worst(own: torch.Tensor, goal: torch.Tensor) -> float:
    return float((own - goal).abs().max())


def test_gelu_error() -> None:
    x = grid(-34, 34, 200_001)
    assert 1e-4 < worst(OPS.gelu(x), functional.gelu(x)) <= 7e-4


@settings(max_examples=200)
@given(st.floats(-34, 34))
def test_gelu_error_anywhere(value: float) -> None:
    x = torch.tensor([value], dtype=torch.float64)
    assert worst(OPS.gelu(x), functional.gelu(x)) <= 7e-4


def test_piecewise_gelu_error() -> None:
    x = torch.cat([grid(-4, 4, 200_001), grid(-1000, 1000)])
    assert 1e-3 < worst(LEAN_OPS.gelu(x), functional.gelu(x)) <= 1.9e-3


@settings(max_examples=200)
@given(st.floats(-1e4, 1e4))
def test_piecewise_gelu_error_anywhere(value: float) -> None:
    x = torch.tensor([value], dtype=torch.float64)
    assert worst(LEAN_OPS.gelu(x), functional.gelu(x)) <= 1.9e-3


def test_inverse_sqrt_error() -> None:
    low, high = INVERSE_SQRT_DOMAIN
    x = torch.cat([grid(low, 1), grid(1, high, 200_001)])
    assert worst(OPS.inverse_sqrt(x) * x.sqrt(), torch.ones_like(x)) <= 1.6e-3


@settings(max_examples=200)
@given(st.floats(*INVERSE_SQRT_DOMAIN))
def test_inverse_sqrt_error_anywhere(value: float) -> None:
    x = torch.tensor([value], dtype=torch.float64)
    assert worst(OPS.inverse_sqrt(x) * x.sqrt(), torch.ones_like(x)) <= 1.6e-3


@EITHER
def test_looked_up_inverse_sqrt_error(lean: Plain) -> None:
    low, high = INVERSE_SQRT_DOMAIN
    x = torch.cat([grid(low, 1), grid(1, high, 200_001)])
    assert worst(lean.inverse_sqrt(x) * x.sqrt(), torch.ones_like(x)) <= 1.5e-4


@settings(max_examples=200)
@given(st.floats(*INVERSE_SQRT_DOMAIN))
def test_looked_up_inverse_sqrt_error_anywhere(value: float) -> None:
    x = torch.tensor([value], dtype=torch.float64)
    assert worst(LEAN_OPS.inverse_sqrt(x) * x.sqrt(), torch.ones_like(x)) <= 1.5e-4


@EITHER
@pytest.mark.parametrize("domain", [(1.0, 16.0), (1.0, 512.0), (2.0**-6, 100.0), (0.125, 62.5)])
def test_a_reciprocal_starts_within_a_seventh_and_ends_close(lean: Plain, domain: tuple[float, float]) -> None:
    b = torch.logspace(*(math.log10(end) for end in domain), 50_000, dtype=torch.float64).clamp(*domain)
    one = torch.ones_like(b)
    assert 0.1 < worst(lean.looked_up(b, torch.reciprocal, *domain, 256) * b, one) <= 1 / 7 + 1e-9
    assert worst(lean.divide(one, b, domain) * b, one) <= 4.5e-4


@EITHER
def test_looked_up_tanh_error(lean: Plain) -> None:
    x = torch.cat([grid(-9, 9, 200_001), grid(*TANH_DOMAIN)])
    assert 5e-5 < worst(lean.tanh(x), x.tanh()) <= 1e-4


@settings(max_examples=100)
@given(
    low=st.floats(0.01, 100),
    width=st.floats(1.001, 1000),
    inside=st.lists(st.floats(0, 1), max_size=5),
    numerator=st.floats(-100, 100).map(lambda value: round(value, 9)),
)
def test_divide_error(low: float, width: float, inside: list[float], numerator: float) -> None:
    domain = low, low * width
    share = torch.tensor([0.0, 1.0, *inside], dtype=torch.float64)
    b = domain[0] + share * (domain[1] - domain[0])
    a = torch.full_like(b, numerator)
    torch.testing.assert_close(OPS.divide(a, b, domain), a / b, rtol=2e-5, atol=0)


@pytest.mark.parametrize("domain", [(1.0, 2.0), (1.0, 32.0), (1.0, 128.0), (1.0, 512.0), (16.0, 8192.0)])
def test_divide_error_on_the_domains_in_use(domain: tuple[float, float]) -> None:
    b = grid(*domain)
    assert worst(OPS.divide(torch.ones_like(b), b, domain) * b, torch.ones_like(b)) <= 2e-5


def test_divide_on_a_domain_of_one_number() -> None:
    a, b = torch.tensor([6.0, -1.0]), torch.tensor([3.0, 3.0])
    torch.testing.assert_close(OPS.divide(a, b, (3.0, 3.0)), a / b)


@BOTH
def test_softmax_over_one_key(ops: Plain) -> None:
    weights = ops.normalise(*ops.softmax(torch.randn(1, 2, 1, 1), torch.ones(1, 1, 1, 1)))
    assert worst(weights, torch.ones(1, 2, 1, 1)) <= (4.5e-4 if ops is LEAN_OPS else 1e-6)


def test_exp_error() -> None:
    x = torch.cat([grid(-506, 0), grid(-8, 0)])
    assert 2e-3 < worst(OPS.exp(x), x.exp()) <= 2.6e-3
    assert float(OPS.exp(torch.zeros(1))) == 1


def test_quadratic_exp_error_on_its_whole_domain() -> None:
    x = torch.cat([grid(*QUADRATIC_EXP_DOMAIN, 200_001), grid(-8, 0)])
    assert 1e-5 < worst(LEAN_OPS.exp(x), x.exp()) <= 2e-5
    assert float(LEAN_OPS.exp(torch.zeros(1))) == 1


@settings(max_examples=60)
@given(st.lists(st.floats(-100, 100, width=16), min_size=1, max_size=40))
def test_max_is_exact_for_any_width(values: list[float]) -> None:
    x = torch.tensor([values, values[::-1]], dtype=torch.float64)
    assert torch.equal(OPS.max(x), x.amax(-1, keepdim=True))


def test_relu_is_exact() -> None:
    x = grid(-50, 50, 1001)
    assert torch.equal(OPS.relu(x), x.relu())


def test_tanh_error_and_symmetry() -> None:
    x = torch.cat([grid(-4, 4), grid(-200, 200)])
    assert 1.5e-3 < worst(OPS.tanh(x), x.tanh()) <= 1.8e-3
    assert torch.equal(OPS.tanh(-x[x != 0]), -OPS.tanh(x[x != 0]))


def test_linear_is_torchs_own() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, 4), torch.randn(5, 4), torch.randn(5)
    torch.testing.assert_close(OPS.linear(x, weight, bias), functional.linear(x, weight, bias))


# A softmax with one key against many that lie log(keys) below it: from 1 + a / 256, their exponentials are 4 % low.
# LayerNorm has the error of its inverse square root.
@pytest.mark.parametrize(("ops", "bound"), [(OPS, 0.015), (LEAN_OPS, 6e-4)], ids=["plain", "lean"])
@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), keys=st.integers(2, 130), spread=st.floats(0, 10), peak=st.floats(0, 10))
def test_softmax_error(ops: Plain, bound: float, seed: int, keys: int, spread: float, peak: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = spread * torch.randn(2, 2, 3, keys, generator=generator, dtype=torch.float64)
    scores[..., 0] += peak
    keep = torch.ones(2, 1, 1, keys, dtype=torch.int64)
    keep[1, ..., 1 + keys // 2 :] = 0
    own, exact = ops.normalise(*ops.softmax(scores, keep)), TorchInterpreter().softmax(scores, keep)[0]
    assert worst(own, exact) <= bound
    assert worst(own.sum(-1), torch.ones(1)) <= (4.5e-4 if ops is LEAN_OPS else 1e-5)
    kept, masked = scores[1, ..., : 1 + keys // 2], scores[1, ..., 1 + keys // 2 :]
    shifted = (masked + MASK_VALUE - kept.amax(-1, keepdim=True)).exp()  # a mask is a number, and no infinity
    assert (own[1, ..., 1 + keys // 2 :].abs() <= 1e-9 + 1.1 * shifted).all()


@pytest.mark.parametrize(("ops", "bound"), [(OPS, 1.6e-3), (LEAN_OPS, 1.5e-4)], ids=["plain", "lean"])
@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), spread=st.floats(0.5, 10), shift=st.floats(-5, 5))
def test_layer_norm_error(ops: Plain, bound: float, seed: int, spread: float, shift: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 32, generator=generator, dtype=torch.float64)
    x = (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True) * spread + shift
    weight, bias = torch.rand(2, 32, generator=generator, dtype=torch.float64)
    goal = TorchInterpreter().layer_norm(x, weight, bias, 1e-12)
    own = ops.layer_norm(x, weight, bias, 1e-12)
    assert ((own - goal).abs() <= bound * (goal - bias).abs() + 1e-9).all()
