"""Attention weights from scores: the exact softmax and its replacements from papers.

Each function takes scores of shape (batch, heads, queries, keys), a public 0/1 mask that broadcasts to them, and
the layer's public coefficients (or None). It returns weights of the scores' shape, zero for masked keys, and their
remaining divisor, if any: the forward pass divides after the product with the values, which has
fewer elements.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from pibench.model.operators.denominator import kept_keys, mean_of_kept
from pibench.model.operators.operator import Operator, operators
from pibench.model.operators.power import POWERS
from pibench.model.primitives import Denominator, Interpreter, Value

QUAD_OFFSET = 5.0
QUAD_MEAN = (2.0, 1000.0)
"""Where the mean of (x + 5)**2 over all kept keys must lie; trained scores give 5 to 200."""

RELU_MEAN = (2.0**-6, 64.0)
"""The constant that is added to the mean of relu(x) over all kept keys, and the domain of their sum."""
CUBE_MEAN = (2.0**-9, 256.0)
"""The same for relu(x / 2 + 1)**3 / 8, which is 1/8 at a score of 0."""
ODE_DOMAIN, ODE_STEPS = (-4.0, 12.0), 16
PUMA_LOWEST = 14.0


def exact(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, Denominator | None]:
    """Return softmax(scores)."""
    return ops.softmax(scores, keep)


def two_quad(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, Denominator]:
    """Return (x + 5)**2 / sum((x + 5)**2): 2Quad of MPCFormer (Li et al., ICLR 2023, section 3.2).

    Numerator and denominator carry a common factor 1/16: fixed-point truncation fails in proportion to a
    value's size.
    """
    shifted = ops.scale(ops.shift(scores, QUAD_OFFSET), 0.25)
    weights = ops.mask(ops.square(shifted), keep)
    return weights, mean_of_kept(ops, weights, keep, (QUAD_MEAN[0] / 16, QUAD_MEAN[1] / 16))


def quad(ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None) -> tuple[Value, None]:
    """Return (x + 5)**2 / (25 n) for n kept keys: a quadratic that is not normalised by its sum.

    MPCFormer's numerator (section 3.2) over its value at scores of zero; rows sum to 1 only roughly.
    """
    shifted = ops.scale(ops.shift(scores, QUAD_OFFSET), 0.25)
    weights = ops.mask(ops.square(shifted), keep)
    return ops.scale(weights, 16 / QUAD_OFFSET**2 / kept_keys(keep)), None


def two_relu(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, Denominator]:
    """Return relu(x) / sum(relu(x)): 2ReLU of MPCFormer (Li et al., ICLR 2023, section 3.2), ReLU attention of MPCViT.

    The mean that divides has 1/64 added (MPCViT, ICCV 2023, section 3.1, has a small constant there): without a
    positive score all weights are zero.
    """
    weights = ops.mask(ops.relu(scores), keep)
    total = mean_of_kept(ops, weights, keep, RELU_MEAN)
    return weights, replace(total, value=ops.shift(total.value, RELU_MEAN[0]))


def relu_cube(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, Denominator]:
    """Return relu(x / 2 + 1)**3 over its sum: THE-X's softmax (Chen et al., ACL Findings 2022, section 3.3).

    THE-X estimates the reciprocal of the sum by a small network, for homomorphic encryption; here it is a division.
    Numerator and denominator carry a common factor 1/8, so that far scores stay in the divisor's domain.
    """
    base = ops.relu(ops.shift(ops.scale(scores, 0.25), 0.5))
    weights = ops.mask(ops.mul(ops.square(base), base), keep)
    total = mean_of_kept(ops, weights, keep, CUBE_MEAN)
    return weights, replace(total, value=ops.shift(total.value, CUBE_MEAN[0]))


def scaled(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, None]:
    """Return x / n for n kept keys: scaling attention, without any softmax (MPCViT, ICCV 2023, section 3.1)."""
    return ops.mask(ops.scale(scores, 1 / kept_keys(keep)), keep), None


def ode(ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None) -> tuple[Value, None]:
    """Return sixteen Euler steps of y' = (x - <x, y>) y from y = 1 / n, x clipped to [-4, 12] (SHAFT, NDSS 2025, IV-B).

    The end of that path is softmax(x). Sixteen steps come within 0.02 of it for 8 keys and 0.14 for 128, as long as
    nothing is clipped; scores that spread further lose their peaks.
    """
    low, high = ODE_DOMAIN
    over = ops.relu(ops.stack([ops.shift(scores, -high), ops.shift(ops.scale(scores, -1), low)]))
    x = ops.scale(ops.sub(ops.add(scores, over[1]), over[0]), 1 / ODE_STEPS)
    start = (keep / kept_keys(keep)).expand(scores.shape)
    centred = ops.sub(x, ops.sum(ops.scale(x, start)))
    y = ops.shift(ops.scale(centred, start), start)
    for _ in range(ODE_STEPS - 1):
        y = ops.add(y, ops.mul(ops.sub(x, ops.sum(ops.mul(x, y))), y))
    return y, None


def puma(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, Denominator]:
    """Return softmax with (1 + x / 32)**32 for the exponential, 0 below -14 (PUMA, arXiv 2307.12533, section 3.3).

    The exponential of x less its maximum is off by at most 0.0086, and too small everywhere: attention to 128 keys by
    up to 0.08.
    """
    scores = ops.mask_scores(scores, keep)
    below_top = ops.sub(scores, ops.max(scores))
    inside = ops.shift(ops.scale(ops.is_negative(ops.shift(below_top, PUMA_LOWEST)), -1), 1.0)
    base = ops.shift(ops.scale(ops.mul(below_top, inside), 1 / 32), 1.0)
    for _ in range(5):
        base = ops.square(base)
    weights = ops.mul(base, inside)
    return weights, Denominator(ops.sum(weights), (1.0, float(scores.shape[-1])))


SOFTMAX = operators(
    "softmax",
    {
        "exact": Operator(exact, "Vaswani et al. 2017", 0.0),
        "puma": Operator(puma, "PUMA, arXiv 2307.12533", 0.08),
        "ode": Operator(ode, "SHAFT, NDSS 2025", 0.14),
        "two_quad": Operator(two_quad, "MPCFormer's 2Quad, ICLR 2023"),
        "two_relu": Operator(two_relu, "MPCFormer's 2ReLU, ICLR 2023; MPCViT, ICCV 2023"),
        "relu_cube": Operator(relu_cube, "THE-X, ACL Findings 2022"),
        "scaled": Operator(scaled, "MPCViT's scaling attention, ICCV 2023"),
        "quad": Operator(quad, "MPCFormer's 2Quad without its sum"),
        **POWERS,
    },
)
