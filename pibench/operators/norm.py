"""The normalisation around attention and the feed-forward network, and what papers put in its place."""

from __future__ import annotations

from collections.abc import Callable

from pibench.interpreters.base import Interpreter, Value

Norm = Callable[[Interpreter, Value, Value | None, Value | None, float], Value]
"""Of values (batch, seq, hidden), a secret scale and shift (hidden,) or None, and LayerNorm's epsilon."""


def layer_norm(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return LayerNorm(x) over the last dimension (Ba et al. 2016)."""
    return ops.layer_norm(x, weight, bias, eps)


def affine(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return weight * x + bias: LayerNorm with a fixed mean and deviation, which the next matrix can absorb."""
    return ops.add(ops.mul(x, weight), bias)


def none(ops: Interpreter, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Return x: a network without normalisation (Jha & Reagen, arXiv 2410.09637)."""
    return x


NORM: dict[str, Norm] = {"layer_norm": layer_norm, "affine": affine, "none": none}
