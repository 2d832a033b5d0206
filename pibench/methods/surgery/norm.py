"""Replace the LayerNorms of a layer by affine maps: LayerNorm with fixed statistics."""

from __future__ import annotations

import torch

from pibench.methods.surgery.layers import Seen, with_layer
from pibench.model.module import Model


def with_affine_norms(model: Model, index: int, seen: Seen) -> Model:
    """Return a copy in which layer ``index`` has the affine maps nearest to its LayerNorms, feature by feature."""
    weights: dict[str, torch.Tensor] = {}
    for name in ("attention_norm", "ffn_norm"):
        before, after = (values.double() for values in seen.tokens(f"layer{index}.{name}"))
        centred = before - before.mean(0)
        slope = (centred * (after - after.mean(0))).mean(0) / centred.square().mean(0)
        weights |= {f"{name}_weight": slope, f"{name}_bias": after.mean(0) - slope * before.mean(0)}
    return with_layer(model, index, weights, norm="affine")
