"""Attention weights from scores: the exact softmax and what papers put in its place.

Each function takes scores of shape (batch, heads, queries, keys) and a public 0/1 mask that broadcasts to
them, and returns weights of the same shape, zero for masked keys; unless it says otherwise, they sum to 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from pibench.interpreters.base import Interpreter, Value

Softmax = Callable[[Interpreter, Value, torch.Tensor], Value]

QUAD_OFFSET = 5.0
QUAD_MEAN = (2.0, 1024.0)
"""Where the mean of (x + 5)**2 over all keys must lie; trained scores give 5 to 200."""


def exact(ops: Interpreter, scores: Value, keep: torch.Tensor) -> Value:
    """Return softmax(scores)."""
    return ops.softmax(scores, keep)


def two_quad(ops: Interpreter, scores: Value, keep: torch.Tensor) -> Value:
    """Return (x + 5)**2 / sum((x + 5)**2): 2Quad of MPCFormer (Li et al., ICLR 2023, section 3.2).

    Numerator and denominator carry a common factor 1/16: fixed-point truncation fails in proportion to a
    value's size.
    """
    shifted = ops.scale(ops.shift(scores, QUAD_OFFSET), 0.25)
    weights = ops.mask(ops.square(shifted), keep)
    low, high = (bound / 16 * scores.shape[-1] for bound in QUAD_MEAN)
    return ops.divide(weights, ops.sum(weights), domain=(low, high))


def quad(ops: Interpreter, scores: Value, keep: torch.Tensor) -> Value:
    """Return (x + 5)**2 / (25 n), n the keys that are kept: a quadratic without normalisation by its own sum.

    MPCFormer's numerator (section 3.2) over what it is for scores of zero; rows sum to 1 only roughly.
    """
    shifted = ops.scale(ops.shift(scores, QUAD_OFFSET), 0.25)
    weights = ops.mask(ops.square(shifted), keep)
    kept = keep.sum(-1, keepdim=True).clamp(min=1)
    return ops.scale(weights, 16 / QUAD_OFFSET**2 / kept)


SOFTMAX: dict[str, Softmax] = {"exact": exact, "two_quad": two_quad, "quad": quad}
