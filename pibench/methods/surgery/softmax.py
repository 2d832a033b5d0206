"""Replace the softmax of a layer by one that is fitted to what the layer attends to."""

from __future__ import annotations

import torch

from pibench.methods.surgery.layers import Seen, with_layer
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.model.operators.operator import scaled_scores
from pibench.model.operators.softmax import SOFTMAX

_QUERIES = 400
"""Enough to fit two numbers per head."""


def with_softmax(model: Model, index: int, name: str, seen: Seen) -> Model:
    """Return a copy in which layer ``index`` has the softmax ``name``, fitted to what it attends to now.

    The fitted scale of each head's scores goes into its query weights and its position bias. A softmax without a
    ``fit`` is inserted unchanged.
    """
    fit = SOFTMAX[name].fit
    if fit is None:
        return with_layer(model, index, {}, softmax=name)
    few = int((seen.keep.sum(1).cumsum(0) < _QUERIES).sum()) + 1
    scores = seen.values[f"layer{index}.scores"][1][:few]
    keep = seen.keep[:few, None, None, :].to(scores.dtype)
    scale, coefficients = fit(scores, attention(model, index, scores, keep), keep)
    layer, own = model.architecture.layers[index], model.layer_weights[index]
    weights = scaled_scores(layer, dict(own), scale) | {"softmax_coefficients": coefficients}
    return with_layer(model, index, weights, softmax=name)


def attention(model: Model, index: int, scores: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Return a layer's attention weights for given scores, both (batch, heads, queries, keys)."""
    layer, own = model.architecture.layers[index], model.layer_weights[index]
    coefficients = own["softmax_coefficients"].detach() if "softmax_coefficients" in own else None
    ops = TorchInterpreter()
    return ops.normalise(*SOFTMAX[layer.softmax](ops, scores, keep, coefficients))
