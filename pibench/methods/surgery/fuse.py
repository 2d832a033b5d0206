"""Merge adjacent linear maps: the two matrices of an FFN, or affine norms and the matrices around them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from pibench.model.architecture import Layer
from pibench.model.module import Model


@torch.no_grad()
def fuse_ffn(model: Model) -> Model:
    """Return a copy in which every FFN without a nonlinearity is one matrix (AERO, section 3.3); same outputs."""
    layers = tuple(_fused(layer) for layer in model.architecture.layers)
    fused = model.rebuilt(replace(model.architecture, layers=layers))
    for before, after, own, new in zip(
        model.architecture.layers, layers, model.layer_weights, fused.layer_weights, strict=True
    ):
        if before != after:
            new["ffn_weight"].copy_(own["ffn_out_weight"] @ own["ffn_in_weight"])
            new["ffn_bias"].copy_(own["ffn_out_weight"] @ own["ffn_in_bias"] + own["ffn_out_bias"])
    return fused.eval()


def _fused(layer: Layer) -> Layer:
    return replace(layer, ffn_size=0) if layer.ffn_size and layer.activation == "identity" else layer


@torch.no_grad()
def absorb_affine(model: Model) -> Model:
    """Return an encoder without any normalisation that computes what ``model`` does, of which all norms are affine.

    The map a x + b of each norm moves on: into the next matrices, and past them by what is added to it. What then
    flows is s, with the hidden state D s + c for fixed vectors D and c. Each layer's public factor beta (``scaled``)
    is chosen so that D keeps the geometric mean 1.

    Raises:
        ValueError: a layer has another norm, or an FFN that is scaled already.
    """
    layers = model.architecture.layers
    if any(layer.norm != "affine" or layer.scaled for layer in layers):
        raise ValueError("every layer needs affine norms and no FFN that is scaled already")
    free = tuple(replace(layer, norm="none", scaled=layer.ffn_size is not None) for layer in layers)
    absorbed = model.rebuilt(replace(model.architecture, layers=free))
    scale = torch.ones_like(model.head["pooler_bias"])
    shift = torch.zeros_like(scale)
    for layer, own, new in zip(free, model.layer_weights, absorbed.layer_weights, strict=True):
        _takes(new, "qkv", scale, shift)
        _gives(new, "output", 1 / scale)
        scale, shift = _after(own, "attention_norm", scale, shift)
        before, middle = scale, shift
        scale, shift = _after(own, "ffn_norm", scale, shift)
        if layer.ffn_size is not None:
            first, last = ("ffn_in", "ffn_out") if layer.ffn_size else ("ffn", "ffn")
            beta = scale.abs().log().mean().exp()
            scale = scale / beta
            _takes(new, first, before, middle)
            _gives(new, last, beta / before)
            new["ffn_coefficients"].copy_(torch.tensor([beta, 1.0]))
    _takes(absorbed.head, "pooler", scale, shift)
    return absorbed.eval()


def _after(
    own: nn.ParameterDict, norm: str, scale: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    weight, bias = own[f"{norm}_weight"], own[f"{norm}_bias"]
    return weight * scale, weight * shift + bias


def _takes(new: nn.ParameterDict, name: str, scale: torch.Tensor, shift: torch.Tensor) -> None:
    weight = new[f"{name}_weight"]
    new[f"{name}_bias"].add_(weight @ shift)
    weight.mul_(scale)


def _gives(new: nn.ParameterDict, name: str, factor: torch.Tensor) -> None:
    new[f"{name}_weight"].mul_(factor[:, None])
    new[f"{name}_bias"].mul_(factor)
