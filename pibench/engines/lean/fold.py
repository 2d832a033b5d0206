"""Folds public scales and LayerNorm's affine map into the next weights, on the server's own floats."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from pibench.model.architecture import Architecture
from pibench.model.parameters import Weights


def fold(weights: Weights, architecture: Architecture) -> Weights:
    """Return weights that take normalised values, before LayerNorm's scale g and shift h, as their input.

    W (g x + h) + b = (W diag(g)) x + (W h + b). The query's rows also carry 1 / sqrt(head size). The
    LayerNorm's own scale and shift stay, for the residual.
    """
    decoder = architecture.family == "decoder"
    layers = []
    before: tuple[str, Mapping[str, torch.Tensor]] | None = None
    for layer, own in zip(architecture.layers, weights.layers, strict=True):
        new = dict(own)
        normalised = layer.norm == "layer_norm"
        if decoder:
            before = ("attention_norm", own) if normalised else None
        _absorb(new, "qkv", before)
        if layer.ffn_size is not None:
            norm = "ffn_norm" if decoder else "attention_norm"
            _absorb(new, "ffn_in" if layer.ffn_size else "ffn", (norm, own) if normalised else None)
        query = torch.ones(3, layer.heads * layer.head_size)
        query[0] = layer.head_size**-0.5
        new["qkv_weight"] = new["qkv_weight"] * query.reshape(-1, 1)
        new["qkv_bias"] = new["qkv_bias"] * query.reshape(-1)
        layers.append(new)
        before = ("ffn_norm", own) if normalised else None
    head = dict(weights.head)
    if decoder:
        _absorb(head, "vocabulary", ("final_norm", weights.head))
    else:
        _absorb(head, "pooler", before)
    return Weights(architecture, layers, head)


def _absorb(weights: dict[str, torch.Tensor], name: str, norm: tuple[str, Mapping[str, torch.Tensor]] | None) -> None:
    if norm is None:
        return
    scale, shift = (norm[1][f"{norm[0]}_{kind}"] for kind in ("weight", "bias"))
    weight = weights[f"{name}_weight"]
    weights[f"{name}_bias"] = weights[f"{name}_bias"] + weight @ shift
    weights[f"{name}_weight"] = weight * scale
