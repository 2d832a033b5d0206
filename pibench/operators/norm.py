"""The normalisation after attention and after the feed-forward network."""

from __future__ import annotations

from collections.abc import Callable

from pibench.interpreters.base import Interpreter, Value

Norm = Callable[[Interpreter, Value, Value, Value, float], Value]


def layer_norm(ops: Interpreter, x: Value, weight: Value, bias: Value, eps: float) -> Value:
    """Return LayerNorm(x) over the last dimension (Ba et al. 2016)."""
    return ops.layer_norm(x, weight, bias, eps)


NORM: dict[str, Norm] = {"layer_norm": layer_norm}
