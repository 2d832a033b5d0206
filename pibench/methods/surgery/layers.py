"""Change one layer of a model, and look at what flows through its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pibench.model.module import Model
from pibench.model.observe import Observer
from pibench.tasks.batches import pad
from pibench.tasks.data import Split

SEEN_TOKENS = 4000


def with_layer(model: Model, index: int, weights: Mapping[str, torch.Tensor], **changes: Any) -> Model:
    """Return a copy in which layer ``index`` has the fields ``changes`` (see :class:`Layer`) and the given weights."""
    layers = list(model.architecture.layers)
    layers[index] = replace(layers[index], **changes)
    changed = model.rebuilt(replace(model.architecture, layers=tuple(layers)))
    with torch.no_grad():
        for name, value in weights.items():
            changed.layer_weights[index][name].copy_(value)
    return changed.eval()


@dataclass(frozen=True)
class Seen:
    """Real tokens of one forward pass: ``keep`` (batch, seq), and by operator its input and output."""

    keep: torch.Tensor
    values: Mapping[str, tuple[torch.Tensor, torch.Tensor]]

    def tokens(self, operator: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return an operator's input and output at real tokens: (tokens, features) each."""
        first, second = self.values[operator]
        kept = self.keep.bool()
        return first[kept], second[kept]


@torch.no_grad()
def observe(model: Model, split: Split, pad_id: int, seed: int = 0, tokens: int = SEEN_TOKENS) -> Seen:
    """Run random examples of ``split``, of about so many tokens, and return what went through every operator."""
    order = np.random.default_rng(seed).permutation(len(split))
    length = np.cumsum([len(split.input_ids[i]) for i in order])
    batch = pad(split, order[: np.searchsorted(length, tokens) + 1], pad_id)
    values: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    model(
        batch.input_ids,
        batch.token_type_ids,
        batch.keep,
        Observer(lambda operator, first, second: values.update({operator: (first, second)})),
    )
    return Seen(batch.keep, values)
