"""The feed-forward network's activation: the exact GELU and its replacements from papers.

Each function takes pre-activations of any shape and the layer's public coefficients (or None).
"""

from __future__ import annotations

import torch

from pibench.model.operators.gelu import bolt, gelu_tanh, hard_gelu, puma, secformer, shaft
from pibench.model.operators.operator import Operator, operators
from pibench.model.primitives import Interpreter, Value

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


def quad(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return 0.125 x**2 + 0.25 x + 0.5: MPCFormer's Quad, as its models are trained (Li et al., ICLR 2023, 3.2)."""
    c0, c1, c2 = MPCFORMER_QUAD
    return ops.shift(ops.add(ops.scale(x, c1), ops.scale(ops.square(x), c2)), c0)


def square(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x**2: any parabola per neuron, if its vertex and curvature are in the weights before and after it."""
    return ops.square(x)


def identity(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x: the two matrices around it may then be merged (AERO, Jha & Reagen, arXiv 2410.13060, section 3.3)."""
    return x


ACTIVATION = operators(
    "activation",
    {
        "gelu": Operator(gelu, "Hendrycks & Gimpel 2016", 0.0),
        "gelu_tanh": Operator(gelu_tanh, "Hendrycks & Gimpel 2016, as in GPT-2", 5e-4),
        "hard_gelu": Operator(hard_gelu, "I-BERT's h-GELU, ICML 2021", 0.069),
        "puma": Operator(puma, "PUMA, arXiv 2307.12533", 0.020),
        "bolt": Operator(bolt, "BOLT, S&P 2024", 0.0094),
        "secformer": Operator(secformer, "SecFormer, ACL Findings 2024", 0.020),
        "shaft": Operator(shaft, "SHAFT, NDSS 2025", 0.0045),
        "relu": Operator(relu, "THE-X, ACL Findings 2022; AERO, arXiv 2410.13060"),
        "quad": Operator(quad, "MPCFormer's Quad, ICLR 2023"),
        "quadratic": Operator(quadratic, "MPCFormer's Quad, trained further", coefficients=lambda layer: (3,)),
        "square": Operator(square, "IG-3D, our reconstruction"),
        "identity": Operator(identity, "AERO, arXiv 2410.13060"),
    },
)
