"""Attention weights from scores: the exact softmax and what papers put in its place.

Each function takes scores of shape (batch, heads, queries, keys), a public 0/1 mask that broadcasts to them, and
the layer's public coefficients (or None). It returns weights of the scores' shape, zero for masked keys, and what
they are still to be divided by, if anything: the forward pass divides after the product with the values, which has
fewer elements.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from pibench.interpreters.base import Domain, Interpreter, Sum, Value

Softmax = Callable[[Interpreter, Value, torch.Tensor, torch.Tensor | None], tuple[Value, Sum | None]]

QUAD_OFFSET = 5.0
QUAD_MEAN = (2.0, 1000.0)
"""Where the mean of (x + 5)**2 over all kept keys must lie; trained scores give 5 to 200."""

POWER_MEAN = (2.0**-6, 100.0)
"""Where the mean of (x + c)**d over all kept keys must lie; :mod:`ig3d.softmax` starts it at 1."""


def exact(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, Sum | None]:
    """Return softmax(scores)."""
    return ops.softmax(scores, keep)


def two_quad(
    ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None
) -> tuple[Value, Sum]:
    """Return (x + 5)**2 / sum((x + 5)**2): 2Quad of MPCFormer (Li et al., ICLR 2023, section 3.2).

    Numerator and denominator carry a common factor 1/16: fixed-point truncation fails in proportion to a
    value's size.
    """
    shifted = ops.scale(ops.shift(scores, QUAD_OFFSET), 0.25)
    weights = ops.mask(ops.square(shifted), keep)
    return weights, _mean(ops, weights, keep, (QUAD_MEAN[0] / 16, QUAD_MEAN[1] / 16))


def quad(ops: Interpreter, scores: Value, keep: torch.Tensor, coefficients: torch.Tensor | None) -> tuple[Value, None]:
    """Return (x + 5)**2 / (25 n), n the keys that are kept: a quadratic without normalisation by its own sum.

    MPCFormer's numerator (section 3.2) over what it is for scores of zero; rows sum to 1 only roughly.
    """
    shifted = ops.scale(ops.shift(scores, QUAD_OFFSET), 0.25)
    weights = ops.mask(ops.square(shifted), keep)
    return ops.scale(weights, 16 / QUAD_OFFSET**2 / _kept(keep)), None


def power(
    squarings: int,
    by_sum: bool,
    ops: Interpreter,
    scores: Value,
    keep: torch.Tensor,
    coefficients: torch.Tensor | None,
) -> tuple[Value, Sum | None]:
    """Return (x + c)**d for d = 2**squarings, over its sum or over the number of kept keys.

    The even polynomial that costs the fewest products for its degree; c (heads,) is public, and a scale of x is the
    query weights' business. With x = s / d and c = 1 it tends to exp(s) as d grows. Weights are never negative, so
    that over their sum they average values, however far a score strays; beyond x = -c they grow again.
    """
    if coefficients is None:
        raise ValueError("a power softmax needs one coefficient a head")
    weights = ops.shift(scores, coefficients.reshape(-1, 1, 1))
    for _ in range(squarings):
        weights = ops.square(weights)
    weights = ops.mask(weights, keep)
    if by_sum:
        return weights, _mean(ops, weights, keep, POWER_MEAN)
    return ops.scale(weights, 1 / _kept(keep)), None


def _kept(keep: torch.Tensor) -> torch.Tensor:
    return keep.sum(-1, keepdim=True).clamp(min=1)


def _mean(ops: Interpreter, weights: Value, keep: torch.Tensor, domain: Domain) -> Sum:
    """Return the sum of the weights as their mean over the kept keys, in ``domain``, times the number of these."""
    kept = _kept(keep)
    return Sum(ops.scale(ops.sum(weights), 1 / kept), domain, kept)


POWERS = {
    f"power{2**squarings}{'' if by_sum else '_length'}": (squarings, by_sum)
    for by_sum in (True, False)
    for squarings in (1, 2, 3)
}
"""Squarings, and whether the sum normalises, of ``power2``, ``power4``, ``power8`` and their ``_length`` forms."""

SOFTMAX: dict[str, Softmax] = {
    "exact": exact,
    "two_quad": two_quad,
    "quad": quad,
    **{name: partial(power, *form) for name, form in POWERS.items()},
}
