"""Public factors that keep a model's numbers inside the domains of the engine's lookups; it computes what it did.

LayerNorm does not see a factor on all of its input, nor a power softmax one on all of a head's weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch

from pibench.engines.lean.calibrate import Range, Ranges
from pibench.engines.lean.switches import LEAN, Switches
from pibench.model.module import Model
from pibench.model.operators.softmax import POWERS
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
    """Return ``model``, or where inputs of ``split`` leave a domain a copy in which as few as can be do.

    The last LayerNorm of a layer gets a public power of two before it (:attr:`Layer.scaled`), the queries and offsets
    of a power softmax over its sum a factor for each head; both bring a range to the middle of its domain. Costs stay
    the same.
    """
    ops = _HeadRanges(switches)
    for batch in ordered(split, _BATCH, pad_id):
        model(batch.input_ids, batch.token_type_ids, batch.keep, ops)
    outside = [seen for seen in ops.seen.values() if seen.outside]
    norms = dict(_found(outside, "ffn_norm", "inverse_sqrt"))
    powers = {
        index: ops.divisors[seen.operator]
        for index, seen in _found(outside, "softmax", "divide")
        if POWERS.get(model.architecture.layers[index].softmax, (0, False))[1]
    }
    if not norms and not powers:
        return model
    layers = tuple(
        replace(layer, scaled=layer.scaled or index in norms) for index, layer in enumerate(model.architecture.layers)
    )
    changed = model.rebuilt(replace(model.architecture, layers=layers)).eval()
    changed.notes = model.notes
    for index, seen in norms.items():
        excess = seen.low * seen.high / (seen.domain_low * seen.domain_high)
        changed.layer_weights[index]["ffn_coefficients"].mul_(2.0 ** -round(math.log2(excess) / 4))
    for index, extremes in powers.items():
        _recentre(changed, index, extremes)
    return changed


def _found(outside: Iterable[Range], name: str, primitive: str) -> list[tuple[int, Range]]:
    """Return the layers whose operator ``name`` has trouble with ``primitive``, with its range."""
    return [
        (int(seen.operator.partition(".")[0].removeprefix("layer")), seen)
        for seen in outside
        if seen.operator.endswith(f".{name}") and seen.primitive == primitive
    ]


def _recentre(model: Model, index: int, extremes: torch.Tensor) -> None:
    """Scale each head's (x + c)**d so that what it is divided by lies around 1, geometrically."""
    layer, own = model.architecture.layers[index], model.layer_weights[index]
    degree = 2 ** POWERS[layer.softmax][0]
    factor = extremes.prod(0) ** (-0.5 / degree)
    rows = torch.ones(3, layer.heads, layer.head_size)
    rows[0] *= factor[:, None]
    own["qkv_weight"].mul_(rows.reshape(-1, 1))
    own["qkv_bias"].mul_(rows.reshape(-1))
    own["softmax_coefficients"].mul_(factor)
