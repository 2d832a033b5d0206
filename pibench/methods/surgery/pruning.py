"""Cut attention heads out of a model, so that they are neither computed nor sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from pibench.model.module import Model

_BY_HEAD = {"position_bias", "softmax_coefficients", "temperature_coefficients"}
"""Weights whose first dimension is that of heads."""


def prune_heads(model: Model, keep: Sequence[torch.Tensor] | torch.Tensor) -> Model:
    """Return a copy without the heads whose entry in ``keep`` is false: for each layer a bool tensor (heads,).

    Raises:
        ValueError: a layer would lose all its heads.
    """
    if not all(kept.any() for kept in keep):
        raise ValueError("every layer must keep at least one head")
    layers = tuple(
        replace(layer, heads=int(kept.sum())) for layer, kept in zip(model.architecture.layers, keep, strict=True)
    )
    pruned = model.rebuilt(replace(model.architecture, layers=layers))
    with torch.no_grad():
        for layer, new, old, kept in zip(layers, pruned.layer_weights, model.layer_weights, keep, strict=True):
            columns = kept.repeat_interleave(layer.head_size)
            new["qkv_weight"].copy_(old["qkv_weight"][columns.repeat(3)])
            new["qkv_bias"].copy_(old["qkv_bias"][columns.repeat(3)])
            new["output_weight"].copy_(old["output_weight"][:, columns])
            for name in _BY_HEAD & new.keys():
                new[name].copy_(old[name][kept])
    return pruned
