"""The normalisation around attention and the feed-forward network, and its replacements from papers.

Each function takes values (batch, seq, hidden), a secret scale and shift (hidden,), or None, and LayerNorm's epsilon.
"""

from __future__ import annotations

from collections.abc import Callable

from pibench.model.operators.operator import Operator, operators
from pibench.model.primitives import Interpreter, Value

DEFLATION = 2000.0
GOLDSCHMIDT_STEPS = 11


def layer_norm(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return LayerNorm(x) over the last dimension (Ba et al. 2016)."""
    return ops.layer_norm(x, weight, bias, eps)


def goldschmidt(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return LayerNorm with Goldschmidt's inverse square root of the variance over 2000, eleven steps.

    SecFormer (ACL Findings 2024), section 3.3. Accurate for variances of 2 to 5880; below that the result is too small.
    """

    def inverse_sqrt(variance: Value) -> Value:
        deflated = ops.scale(variance, 1 / DEFLATION)
        root = None
        for _ in range(GOLDSCHMIDT_STEPS):
            factor = ops.shift(ops.scale(deflated, -0.5), 1.5)
            root = factor if root is None else ops.mul(root, factor)
            deflated = ops.mul(deflated, ops.square(factor))
        return ops.scale(root, DEFLATION**-0.5)

    return _by(inverse_sqrt, ops, x, weight, bias, eps)


def newton(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return LayerNorm with three Newton steps from an exponential, CrypTen's inverse square root.

    ``approximations.py`` of CrypTen 0.4.1. Accurate to 4 % for variances of 0.09 to 150; above, it has the wrong sign
    or explodes.
    """

    def inverse_sqrt(variance: Value) -> Value:
        decay = ops.exp(ops.shift(ops.scale(variance, -0.5), -0.2))
        y = ops.sub(ops.shift(ops.scale(decay, 2.2), 0.2), ops.scale(variance, 1 / 1024))
        for _ in range(3):
            y = ops.mul(y, ops.shift(ops.scale(ops.mul(variance, ops.square(y)), -0.5), 1.5))
        return y

    return _by(inverse_sqrt, ops, x, weight, bias, eps)


def _by(
    inverse_sqrt: Callable[[Value], Value],
    ops: Interpreter,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    eps: float,
) -> Value:
    size = x.shape[-1]
    centred = ops.sub(x, ops.scale(ops.sum(x), 1 / size))
    variance = ops.shift(ops.scale(ops.sum(ops.square(centred)), 1 / size), eps)
    return ops.add(ops.mul(ops.mul(centred, inverse_sqrt(variance)), weight), bias)


def affine(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return weight * x + bias: LayerNorm with a fixed mean and deviation, which the next matrix can absorb."""
    return ops.add(ops.mul(x, weight), bias)


def none(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return x: a network without normalisation (Jha & Reagen, arXiv 2410.09637)."""
    return x


NORM = operators(
    "norm",
    {
        "layer_norm": Operator(layer_norm, "Ba et al. 2016", 0.0),
        "goldschmidt": Operator(goldschmidt, "SecFormer, ACL Findings 2024", 1e-3),
        "newton": Operator(newton, "CrypTen 0.4.1", 0.04),
        "affine": Operator(affine, "LayerNorm with fixed statistics"),
        "none": Operator(none, "AERO, arXiv 2410.13060"),
    },
)
