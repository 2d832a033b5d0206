"""Keep a model's numbers inside the domains of the engine's lookups by public factors that do not change its outputs.

LayerNorm cancels a factor on its whole input, and a softmax that is divided by its sum one on all of a head's weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch

from pibench.engines.lean.calibrate import Range, Ranges
from pibench.engines.lean.switches import LEAN, Switches
from pibench.model.module import Model
from pibench.model.operators.operator import scaled_scores
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.primitives import Domain
from pibench.tasks.batches import ordered
from pibench.tasks.data import Split

_BATCH = 64


class _HeadRanges(Ranges):
    """Also keeps, by operator, the extremes (2, heads) of what each head divides by."""

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.divisors: dict[str, torch.Tensor] = {}

    def divide(self, a: torch.Tensor, b: torch.Tensor, domain: Domain) -> torch.Tensor:
        if b.dim() == 4:
            seen = torch.stack([b.amin((0, 2, 3)), b.amax((0, 2, 3))])
            old = self.divisors.get(self.operator, seen)
            self.divisors[self.operator] = torch.stack([torch.minimum(seen[0], old[0]), torch.maximum(seen[1], old[1])])
        return super().divide(a, b, domain)


@torch.no_grad()
def rescaled(model: Model, split: Split, pad_id: int, switches: Switches = LEAN) -> Model:
    """Return ``model``, or if inputs of ``split`` leave a domain, a copy in which as few as possible do.

    A LayerNorm after attention or after the network gets a public power of two before it
    (:attr:`Layer.attention_scaled`, :attr:`Layer.scaled`), which brings the variance to the middle of its domain; a
    softmax with :attr:`Operator.rescale` gets scaled scores and other coefficients.
    Outputs and costs stay the same.
    """
    ops = _HeadRanges(switches)
    for batch in ordered(split, _BATCH, pad_id):
        model(batch.input_ids, batch.token_type_ids, batch.keep, ops)
    outside = [seen for seen in ops.seen.values() if seen.outside]
    encoder = model.architecture.family == "encoder"
    attention_norms = dict(_found(outside, "attention_norm", "inverse_sqrt")) if encoder else {}
    norms = dict(_found(outside, "ffn_norm", "inverse_sqrt"))
    softmaxes = {
        index: ops.divisors[seen.operator]
        for index, seen in _found(outside, "softmax", "divide")
        if SOFTMAX[model.architecture.layers[index].softmax].rescale
    }
    if not attention_norms and not norms and not softmaxes:
        return model
    layers = tuple(
        replace(
            layer,
            scaled=layer.scaled or index in norms,
            attention_scaled=layer.attention_scaled or index in attention_norms,
        )
        for index, layer in enumerate(model.architecture.layers)
    )
    changed = model.rebuilt(replace(model.architecture, layers=layers)).eval()
    changed.notes = model.notes
    for name, found in (("attention_coefficients", attention_norms), ("ffn_coefficients", norms)):
        for index, seen in found.items():
            excess = seen.low * seen.high / (seen.domain_low * seen.domain_high)
            changed.layer_weights[index][name].mul_(2.0 ** -round(math.log2(excess) / 4))
    for index, extremes in softmaxes.items():
        _rescale_softmax(changed, index, extremes)
    return changed


def _found(outside: Iterable[Range], name: str, primitive: str) -> list[tuple[int, Range]]:
    """Return the layers in whose operator ``name`` inputs of ``primitive`` leave their domain, with their range."""
    return [
        (int(seen.operator.partition(".")[0].removeprefix("layer")), seen)
        for seen in outside
        if seen.operator.endswith(f".{name}") and seen.primitive == primitive
    ]


def _rescale_softmax(model: Model, index: int, extremes: torch.Tensor) -> None:
    """Bring each head's divisors of attention weights, which range between ``extremes``, near 1."""
    layer, own = model.architecture.layers[index], model.layer_weights[index]
    rescale = SOFTMAX[layer.softmax].rescale
    assert rescale is not None
    scale, coefficients = rescale(own["softmax_coefficients"], extremes)
    for name, value in (scaled_scores(layer, dict(own), scale) | {"softmax_coefficients": coefficients}).items():
        own[name].copy_(value)
