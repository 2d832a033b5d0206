"""Cut attention heads, hidden units and neurons out of a model, so that they are neither computed nor sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Units:
    """A tensor for each kind of unit: indices of units, or a number for every one.

    ``hidden`` is of the hidden units, ``neurons`` of each layer's FFN, ``pooled`` of the pooler's output.
    """

    hidden: torch.Tensor
    neurons: tuple[torch.Tensor, ...]
    pooled: torch.Tensor


@torch.no_grad()
def prune_width(model: Model, kept: Units) -> Model:
    """Return a copy of an encoder with the ``kept`` units alone.

    All layers and the embeddings keep the same hidden units. Every layer needs an FFN of two matrices, and as many
    pooled units are kept as hidden ones.
    """
    layers = tuple(
        replace(layer, ffn_size=len(own)) for layer, own in zip(model.architecture.layers, kept.neurons, strict=True)
    )
    narrow = replace(model.architecture, hidden_size=len(kept.hidden), layers=layers)
    pruned = model.rebuilt(narrow)
    is_projected = getattr(model.embeddings, "projection", None) is not None
    for (name, table), own in zip(pruned.embeddings.named_parameters(), model.embeddings.parameters(), strict=True):
        if is_projected:  # then only the projection's outputs are hidden units
            table.copy_(own[kept.hidden] if name.startswith("projection") else own)
        else:
            table.copy_(own[..., kept.hidden])
    for new, old, neurons in zip(pruned.layer_weights, model.layer_weights, kept.neurons, strict=True):
        for name in new:
            new[name].copy_(_cut(name, old[name], kept.hidden, neurons))
    head = model.head
    pruned.head["pooler_weight"].copy_(head["pooler_weight"][kept.pooled][:, kept.hidden])
    pruned.head["pooler_bias"].copy_(head["pooler_bias"][kept.pooled])
    pruned.head["classifier_weight"].copy_(head["classifier_weight"][:, kept.pooled])
    return pruned.eval()


def _cut(name: str, value: torch.Tensor, hidden: torch.Tensor, neurons: torch.Tensor) -> torch.Tensor:
    """Return the kept part of a layer's parameter."""
    if name == "qkv_weight":
        return value[:, hidden]
    if name == "ffn_in_weight":
        return value[neurons][:, hidden]
    if name == "ffn_in_bias":
        return value[neurons]
    if name == "ffn_out_weight":
        return value[hidden][:, neurons]
    writes = name in ("output_weight", "output_bias", "ffn_out_bias") or "norm" in name
    return value[hidden] if writes else value
