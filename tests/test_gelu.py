"""GELU's published approximations: the papers' stated errors, in floats and fixed point."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from torch.nn import functional

from pibench.engines.lean.fixed_point import FixedPoint
from pibench.engines.lean.parties import LeanParties
from pibench.engines.lean.switches import LEAN
from pibench.model.floats import TorchInterpreter
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.gelu import SHAFT_SINES, motzkin
from tests.conftest import MakeModel
from tests.test_lean import check

STATED = {"puma": 0.020, "bolt": 0.0094, "secformer": 0.020, "shaft": 0.0045, "gelu_tanh": 5e-4, "hard_gelu": 0.069}
"""The largest distance from GELU anywhere."""
ROUNDING = 2e-3
"""What 13 fractional bits add to it: coefficients and powers up to the sixth are rounded."""


def gelu_of(name: str, x: torch.Tensor) -> torch.Tensor:
    return ACTIVATION[name](TorchInterpreter(), x, None)


def error(name: str, x: torch.Tensor) -> torch.Tensor:
    return (gelu_of(name, x) - functional.gelu(x)).abs()


@pytest.mark.parametrize("name", STATED)
def test_the_stated_error_is_met_and_reached(name: str) -> None:
    worst = float(error(name, torch.linspace(-12, 12, 240_001, dtype=torch.float64)).max())
    assert 0.9 * STATED[name] < worst <= STATED[name]


@pytest.mark.parametrize("name", STATED)
@settings(max_examples=50)
@given(x=st.floats(-1000, 1000))
def test_far_inputs_are_kept_or_dropped(name: str, x: float) -> None:
    assert float(error(name, torch.tensor([x], dtype=torch.float64))) <= STATED[name]


@pytest.mark.parametrize("name", STATED)
def test_the_stated_error_is_met_in_fixed_point(name: str) -> None:
    x = torch.linspace(-30, 30, 6001, dtype=torch.float64)
    ops = FixedPoint(LEAN, inject=False)
    own = ACTIVATION[name](ops, ops.encode(x), None)
    assert float((own - functional.gelu(x)).abs().max()) <= STATED[name] + ROUNDING
    assert not ops.overflows


def test_bolt_is_near_within_its_own_range() -> None:
    assert float(error("bolt", torch.linspace(-2.699, 2.699, 20_001, dtype=torch.float64)).max()) < 0.00163


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(0.1, 3))
def test_motzkin_s_form_is_the_same_polynomial(low: list[float], lead: float) -> None:
    y = np.linspace(-2, 2, 9)
    own, a0, a1, a2, a3 = motzkin([*low, lead])
    z = y**2 + a0 * y + a1
    np.testing.assert_allclose(own * ((z + y + a2) * z + a3), polynomial.polyval(y, [*low, lead]), atol=1e-6, rtol=1e-6)


def test_sines_are_the_fourier_series_of_their_function() -> None:
    y = torch.linspace(0, 4, 100_001, dtype=torch.float64)
    difference = functional.gelu(y) - y
    for k, weight in enumerate(SHAFT_SINES, 1):
        exact = float(torch.trapezoid(difference * (2 * torch.pi * k * y / 8).sin(), y)) / 2
        assert weight == pytest.approx(exact, abs=6e-5)


@pytest.mark.mpc
@pytest.mark.parametrize("name", STATED)
def test_two_parties_compute_it_at_the_predicted_cost(parties: LeanParties, make_model: MakeModel, name: str) -> None:
    check(parties, make_model(layers=1, activation=name))
