"""What is public about a private model: its shape and its operators, layer by layer.

Costs depend on the architecture alone, so its key is what joins cost records to accuracy records.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Layer:
    """One encoder layer: sizes, and the names of its operators (see :mod:`pibench.operators`).

    With ``ffn_size`` 0 the feed-forward network is one matrix, as it may be where nothing nonlinear is in it.
    """

    heads: int
    head_size: int
    ffn_size: int
    softmax: str = "exact"
    activation: str = "gelu"
    norm: str = "layer_norm"


@dataclass(frozen=True)
class Architecture:
    """A BERT-family encoder with a classification (or, with one output, regression) head."""

    hidden_size: int
    layers: tuple[Layer, ...]
    outputs: int
    norm_eps: float = 1e-12

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that name this architecture."""
        text = json.dumps(self.spec(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def spec(self) -> dict[str, Any]:
        """Return the architecture as plain JSON types."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Architecture:
        """Rebuild an architecture from :meth:`spec`."""
        return cls(**{**spec, "layers": tuple(Layer(**layer) for layer in spec["layers"])})

    def with_layers(self, **changes: Any) -> Architecture:
        """Return a copy in which every layer has the given fields changed."""
        return replace(self, layers=tuple(replace(layer, **changes) for layer in self.layers))
