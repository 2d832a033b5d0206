"""The feed-forward network's activation: the exact GELU and what papers put in its place.

Each function takes pre-activations of any shape and the layer's public coefficients (or None).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from pibench.interpreters.base import Interpreter, Value
from pibench.operators.gelu import bolt, gelu_tanh, puma, secformer, shaft

Activation = Callable[[Interpreter, Value, torch.Tensor | None], Value]

MPCFORMER_QUAD = (0.5, 0.25, 0.125)
"""Constant, linear and square coefficient of MPCFormer's Quad (Li et al., ICLR 2023, section 3.2)."""


def gelu(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return GELU(x)."""
    return ops.gelu(x)


def relu(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return max(x, 0)."""
    return ops.relu(x)


def quadratic(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return c0 + c1 x + c2 x**2 with public coefficients of shape (3,)."""
    if coefficients is None:
        raise ValueError("a quadratic activation needs its three coefficients")
    c0, c1, c2 = coefficients
    return ops.shift(ops.add(ops.scale(x, c1), ops.scale(ops.square(x), c2)), c0)


def square(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x**2: any parabola a neuron, where vertex and curvature are in the weights before and after it."""
    return ops.square(x)


def identity(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x: the two matrices around it may then be merged (AERO, Jha & Reagen, arXiv 2410.13060, section 3.3)."""
    return x


ACTIVATION: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "puma": puma,
    "bolt": bolt,
    "secformer": secformer,
    "shaft": shaft,
    "relu": relu,
    "quadratic": quadratic,
    "square": square,
    "identity": identity,
}
