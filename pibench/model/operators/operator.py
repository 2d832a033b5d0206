"""The interface of an operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from pibench.errors import InputError
from pibench.model.architecture import Layer
from pibench.model.primitives import Denominator, Value
from pibench.plugins import Registry

Fit = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Rescale = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Operator:
    """A function over an interpreter's primitives, called as those of its kind are (see the modules of this package).

    The last three fields are for a softmax that methods fit to a layer's attention. Its coefficients begin with the
    dimension of heads; ``fit`` and ``rescale`` return ``(scale, coefficients)``: a factor for each head's
    scores (heads,), and the head's new coefficients.

    Args:
        run: the function.
        paper: where it comes from.
        error: the largest error that the paper, or its coefficients, promise: absolute for GELU and attention weights,
            relative for a normalised value; None if the operator is not an approximation and models train with it.
        coefficients: the shape of a layer's public coefficients for it, which a method must set.
        fit: fits it to a layer's attention; takes scores and attention, both (batch, heads, queries, keys), and
            the 0/1 mask (batch, 1, 1, keys).
        rescale: brings its divisor near 1 without changing the attention; takes the layer's coefficients and
            the smallest and the largest divisor of each head (2, heads).
        typical_scale: the factor on scores with which coefficients of 1 come near the exact softmax.

    Raises:
        InputError: ``run`` or ``coefficients`` cannot be called, or there is no paper.
    """

    run: Callable[..., Any]
    paper: str
    error: float | None = None
    coefficients: Callable[[Layer], tuple[int, ...]] | None = None
    fit: Fit | None = None
    rescale: Rescale | None = None
    typical_scale: float = 1.0

    def __post_init__(self) -> None:
        if not callable(self.run) or not (self.coefficients is None or callable(self.coefficients)):
            raise InputError("an operator's run and coefficients must be functions")
        if not isinstance(self.paper, str) or not self.paper.strip():
            raise InputError("an operator needs a paper: a text that says where it comes from")

    def __call__(self, *arguments: Any) -> Any:
        """Run it."""
        return self.run(*arguments)


def like_input(kind: str, name: str, result: Value, given: Value) -> Value:
    """Return the result of the operator ``name`` on ``given``.

    Raises:
        InputError: it is not a value of the input's type and shape.
    """
    if not isinstance(result, type(given)) or tuple(result.shape) != tuple(given.shape):
        raise InputError(
            f"the {kind} {name!r} returned {_in_words(result)}: return {_in_words(given)}, like what goes in"
        )
    return result


def weights_and_divisor(name: str, result: Any, scores: Value) -> tuple[Value, Denominator | None]:
    """Return the result of the softmax ``name`` on ``scores``.

    Raises:
        InputError: it is not a pair of weights of the scores' type and shape, and a divisor or None.
    """
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Denominator | None):
        raise InputError(
            f"the softmax {name!r} returned {_in_words(result)}: return a pair, the weights and a Denominator or None"
        )
    return like_input("softmax", name, result[0], scores), result[1]


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(one).__name__ for one in value)})"
    shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
    return f"{type(value).__name__}{shape}"


def scaled_scores(layer: Layer, weights: Mapping[str, torch.Tensor], scale: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return those weights of a layer, changed, that multiply each head's scores by ``scale``.

    Args:
        layer: the layer.
        weights: its weights by name.
        scale: a factor for each head (heads,).
    """
    rows = torch.ones(3, layer.heads, layer.head_size)
    rows[0] *= scale[:, None]
    rows = rows.reshape(-1)
    scaled = {"qkv_weight": weights["qkv_weight"] * rows[:, None], "qkv_bias": weights["qkv_bias"] * rows}
    if layer.position_buckets:
        scaled["position_bias"] = weights["position_bias"] * scale[:, None]
    return scaled


def operators(kind: str, own: Mapping[str, Operator]) -> Registry[Operator]:
    """Return the operators of one kind: the suite's own, then plugins' under the entry-point group ``pibench.<kind>``.

    Args:
        kind: ``softmax``, ``activation`` or ``norm``.
        own: the suite's own operators by name.
    """
    return Registry(kind, f"pibench.{kind}", Operator, own=own)
