"""Defects that public implementations of the field have: each is shown, and shown to be absent here."""

from __future__ import annotations

import math

import pytest
import torch
from numpy.polynomial import polynomial
from torch.nn import functional

from baselines.mpcformer import MPCFormer
from pibench.engines.lean.fixed_point import FixedPoint
from pibench.engines.lean.protocol import CLIENT, Beaver
from pibench.engines.lean.switches import LEAN
from pibench.model.floats import TorchInterpreter
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.gelu import BOLT_QUARTIC, SECFORMER_SINES
from pibench.model.operators.norm import NORM
from pibench.testing.two_parties import fix_private_randomness, meet
from tests.conftest import MakeData, MakeModel
from tests.test_gelu import error, gelu_of
from tests.test_methods import BUDGET
from tests.test_operators import attention

X = torch.linspace(-6, 6, 12_001, dtype=torch.float64)
GELU = functional.gelu(X)


def test_secformer_s_puma_gelu_has_the_wrong_breakpoint_and_loses_large_values() -> None:
    """Its `puma_gelu` has the breakpoint at 1.95 and nothing beyond 3: f(1) is -0.22 and f(5) is 0 there."""
    values = gelu_of("puma", torch.tensor([1.0, 5.0]))
    torch.testing.assert_close(values, torch.tensor([0.8413, 5.0]), atol=0.02, rtol=0)


def test_secformer_s_puma_softmax_subtracts_the_maximum_after_the_exponential() -> None:
    scores = torch.tensor([[[[1.0, 3.0, -2.0]]]])
    wrong, exact = scores.exp() - scores.amax(-1, keepdim=True), functional.softmax(scores, -1)
    assert float((wrong / wrong.sum(-1, keepdim=True) - exact).abs().max()) > 0.05
    assert float((attention("puma", scores, torch.ones(1, 1, 1, 3)) - exact).abs().max()) < 0.01


def test_secformer_draws_the_mask_of_its_sines_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens x - t for every x with one t, so that differences of secrets leak; here no mask is used again."""
    fix_private_randomness(monkeypatch)

    def program(ops: Beaver) -> None:
        x = ops.secret(torch.linspace(-4, 4, 500), CLIENT)
        ops.sines(x, SECFORMER_SINES, 16.0)
        ops.sines(x, SECFORMER_SINES, 16.0)

    opened = [part for parts in meet(program).links[CLIENT].opened for part in parts]
    assert len(opened) == 2
    assert float((opened[0] == opened[1]).float().mean()) < 0.05


def test_shaft_s_bolt_gelu_multiplies_by_the_wrong_factor_and_adds_a_relu() -> None:
    """It is off by up to 16.4 within 2.7."""
    x = torch.linspace(-2.7, 2.7, 1001, dtype=torch.float64)
    g = (0.14439048359960427, -0.7077117131613893, 4.5702822654246535, -8.15444702051307, 16.382265425072532)
    y = x.abs()
    inner = (g[0] * y + g[1]) * y + g[2]
    wrong = x.relu() + (inner + g[0] * y + g[3]) * y + g[4] + 0.5 * x
    assert float((wrong - functional.gelu(x)).abs().max()) > 16
    assert float(error("bolt", x).max()) < 0.0094
    torch.testing.assert_close(
        gelu_of("bolt", x[1:-1]), torch.from_numpy(polynomial.polyval(y[1:-1].numpy(), BOLT_QUARTIC)) + 0.5 * x[1:-1]
    )


def test_mpcformer_serves_another_quadratic_than_it_trains(make_model: MakeModel, make_data: MakeData) -> None:
    """0.125 x**2 + 0.5 x + 0.25 in its benchmark; here one function is trained and served."""
    trained, served = 0.125 * X**2 + 0.25 * X + 0.5, 0.125 * X**2 + 0.5 * X + 0.25
    assert float((trained - served).abs().max()) == pytest.approx(1.75)
    method = MPCFormer()
    model = method.compress(make_model(), make_data(), BUDGET, method.info.variants[0])
    (name,) = {layer.activation for layer in model.architecture.layers}
    torch.testing.assert_close(ACTIVATION[name](TorchInterpreter(), X, None), trained)
    ops = FixedPoint(LEAN, inject=False)
    torch.testing.assert_close(ACTIVATION[name](ops, ops.encode(X), None), trained, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["layer_norm", "goldschmidt", "newton"])
def test_mpcformer_times_a_batch_norm_for_layer_norm(name: str) -> None:
    """Batch statistics are known before the text is; here a token is normalised by its own mean and variance."""
    tokens = 2 * torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    one, zero = torch.ones(32), torch.zeros(32)
    alone = torch.cat([NORM[name](TorchInterpreter(), token[None], one, zero, 0.0) for token in tokens])
    torch.testing.assert_close(NORM[name](TorchInterpreter(), tokens, one, zero, 0.0), alone)
    assert float(alone.mean(-1).abs().max()) < 1e-5
    assert float((functional.batch_norm(tokens, None, None, training=True) - alone).abs().max()) > 0.1


def test_sprint_s_gelu_has_wrong_constants() -> None:
    """Its `GELU` has sqrt(2) / pi for sqrt(2 / pi), its `erf_GELU` x sqrt(2) for x / sqrt(2)."""
    tanh = 0.5 * X * (1 + torch.tanh(math.sqrt(2) / math.pi * (X + 0.044715 * X**3)))
    erf = 0.5 * X * (1 + torch.erf(X * math.sqrt(2)))
    assert float((tanh - GELU).abs().max()) == pytest.approx(0.18, abs=0.005)
    assert float((erf - GELU).abs().max()) == pytest.approx(0.14, abs=0.005)
    assert float(error("gelu_tanh", X).max()) < 5e-4
    assert float(error("gelu", X).max()) == 0
