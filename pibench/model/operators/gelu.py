"""Approximations of GELU that need no training: piecewise polynomials and Fourier series.

Each function takes pre-activations of any shape; coefficients are the papers' own. Where a piece does not apply, its
input is zero, so that no power of a large number is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from pibench.model.primitives import Interpreter, Value

TANH_EDGE = 8.0
HARD_SLOPE = 1.702
PUMA_EDGES = (-4.0, -1.95, 3.0)
PUMA_CUBIC = (-0.5054031199708174, -0.42226581151983866, -0.11807612951181953, -0.011034134030615728)
PUMA_SEXTIC = (0.008526321541038084, 0.5, 0.3603292692789629, 0.0, -0.037688200365904236, 0.0, 0.0018067462606141187)
BOLT_EDGE = 2.7
BOLT_QUARTIC = (
    0.001620808531841547,
    -0.03798164612714154,
    0.5410550166368381,
    -0.18352506127082727,
    0.020848611754127593,
)
SECFORMER_EDGE = 1.7 * math.sqrt(2)
SECFORMER_PERIOD = 20.0
SECFORMER_SINES = (1.25772, -0.0299154, 0.382155, -0.0519123, 0.196033, -0.0624557, 0.118029)
SHAFT_PERIOD = 8.0
SHAFT_SINES = (-0.0818, -0.0809, -0.0424, -0.0176, -0.0079, -0.0043, -0.0026, -0.0017)
"""The weights of the sines of SHAFT's and SecFormer's Fourier series, the lowest frequency first."""
_PERIOD = 16.0
"""The period that SecFormer's is scaled to, since the engine needs a power of two."""


def gelu_tanh(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2, GPT-2's GELU (Hendrycks & Gimpel 2016).

    It differs from GELU by at most 5e-4. Beyond 8, where the two are one to eight digits, it is 0 or x.
    """
    below, above = _below(ops, x, (-TANH_EDGE, TANH_EDGE))
    kept = ops.mul(x, ops.sub(above, below))
    cubic = ops.mul(kept, ops.shift(ops.scale(ops.square(kept), 0.044715), 1.0))
    gate = ops.shift(ops.scale(ops.tanh(ops.scale(cubic, math.sqrt(2 / math.pi))), 0.5), 0.5)
    return ops.add(ops.mul(kept, gate), ops.sub(x, ops.mul(x, above)))


def hard_gelu(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x relu6(1.702 x + 3) / 6, h-GELU (Kim et al., I-BERT, ICML 2021, section 3.4).

    It differs from GELU by at most 0.069.
    """
    line = ops.shift(ops.scale(x, HARD_SLOPE), 3.0)
    over = ops.relu(ops.stack([line, ops.shift(line, -6.0)]))
    return ops.scale(ops.mul(x, ops.sub(over[0], over[1])), 1 / 6)


def puma(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return 0, a cubic, a sextic and x, with edges at -4, -1.95 and 3 (PUMA, arXiv 2307.12533, section 3.2).

    It differs from GELU by at most 0.020, anywhere.
    """
    bits = _below(ops, x, PUMA_EDGES)
    low, middle, high = ops.sub(bits[1], bits[0]), ops.sub(bits[2], bits[1]), bits[2]
    inside = ops.mul(x, ops.add(low, middle))
    square = ops.square(inside)
    cube, fourth = ops.mul(inside, square), ops.square(square)
    sixth = ops.square(cube)
    c0, c1, c2, c3 = PUMA_CUBIC
    cubic = ops.shift(_sum(ops, (c1, inside), (c2, square), (c3, cube)), c0)
    s0, s1, s2, _, s4, _, s6 = PUMA_SEXTIC
    sextic = ops.shift(_sum(ops, (s1, inside), (s2, square), (s4, fourth), (s6, sixth)), s0)
    pieces = ops.add(ops.mul(cubic, low), ops.mul(sextic, middle))
    return ops.add(pieces, ops.sub(x, ops.mul(x, high)))


def bolt(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x / 2 and a quartic of abs(x) within 2.7, 0 or x beyond (BOLT, S&P 2024, section 5.2).

    The quartic takes two products by Motzkin's preprocessing. It differs from GELU by at most 0.0016 within 2.7, and by
    0.0094, GELU's own distance from 0 and x, just beyond.
    """
    below, negative, above = _below(ops, x, (-BOLT_EDGE, 0.0, BOLT_EDGE))
    inside = ops.sub(above, below)
    kept = ops.mul(x, inside)
    size = ops.sub(kept, ops.scale(ops.mul(kept, negative), 2))
    lead, a0, a1, a2, a3 = motzkin(BOLT_QUARTIC)
    z = ops.shift(ops.add(ops.square(size), ops.scale(size, a0)), a1)
    quartic = ops.scale(ops.shift(ops.mul(ops.shift(ops.add(z, size), a2), z), a3), lead)
    beyond = ops.sub(x, ops.mul(x, above))
    return ops.add(ops.add(ops.mul(quartic, inside), ops.scale(kept, 0.5)), beyond)


def motzkin(polynomial: Sequence[float]) -> tuple[float, float, float, float, float]:
    """Return a, a0 ... a3 of a quartic p (constant first) in the form a ((z + y + a2) z + a3), z = y**2 + a0 y + a1."""
    lead = polynomial[4]
    e, d, c, b = (value / lead for value in polynomial[:4])
    a0 = (b - 1) / 2
    rest = c - a0 * a0 - a0
    a1 = d - a0 * rest
    a2 = rest - 2 * a1
    return lead, a0, a1, a2, e - a1 * (a1 + a2)


def secformer(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return x (1 + e(x / sqrt(2))) / 2, where e is seven sines of period 20 within 1.7 and -1 or 1 beyond.

    SecFormer (ACL Findings 2024), section 3.2. It differs from GELU by at most 0.020.
    """
    below, above = _below(ops, x, (-SECFORMER_EDGE, SECFORMER_EDGE))
    phase = ops.scale(x, _PERIOD / SECFORMER_PERIOD / math.sqrt(2))
    series = ops.sines(phase, SECFORMER_SINES, _PERIOD)
    erf = ops.add(ops.mul(series, ops.sub(above, below)), ops.shift(ops.scale(ops.add(below, above), -1), 1.0))
    return ops.scale(ops.mul(x, ops.shift(erf, 1.0)), 0.5)


def shaft(ops: Interpreter, x: Value, coefficients: torch.Tensor | None) -> Value:
    """Return relu(x) and, where abs(x) < 4, eight sines of abs(x) of period 8 (SHAFT, NDSS 2025, section IV-C).

    It differs from GELU by at most 0.0045.
    """
    positive = ops.relu(x)
    size = ops.sub(ops.scale(positive, 2), x)
    (inside,) = _below(ops, size, (SHAFT_PERIOD / 2,))
    return ops.add(positive, ops.mul(ops.sines(size, SHAFT_SINES, SHAFT_PERIOD), inside))


def _below(ops: Interpreter, x: Value, edges: Sequence[float]) -> list[Value]:
    """Return for each edge the bit of x < edge, all compared at once."""
    bits = ops.is_negative(ops.stack([ops.shift(x, -edge) for edge in edges]))
    return [bits[index] for index in range(len(edges))]


def _sum(ops: Interpreter, *terms: tuple[float, Value]) -> Value:
    total = ops.scale(terms[0][1], terms[0][0])
    for factor, value in terms[1:]:
        total = ops.add(total, ops.scale(value, factor))
    return total
