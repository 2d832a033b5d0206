"""What is public about a private model: its shape and its operators, layer by layer.

Costs depend on the architecture alone, so its key is what joins cost records to accuracy records.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Family = Literal["encoder", "decoder"]
_LATER = {"scaled", "temperatures", "position_buckets", "attention_scaled", "family"}
"""Left out of a specification if they have their default, so that older keys stay the same."""


@dataclass(frozen=True)
class Layer:
    """One layer: sizes, and the names of its operators (see :mod:`pibench.model.operators`).

    With ``ffn_size`` 0 the feed-forward network is one matrix, which suffices if it has no nonlinearity; with None
    there is no network. ``scaled`` gives the network and its residual connection one public factor each. Queries at the
    first ``temperatures`` positions have a public softmax temperature, one for each head and position. With
    ``position_buckets`` every score gets a secret bias, one for each head and bucket of distances between the query and
    the key. ``attention_scaled`` gives the sum of an encoder's attention and its residual connection one public factor,
    which the LayerNorm that follows cancels.
    """

    heads: int
    head_size: int
    ffn_size: int | None
    softmax: str = "exact"
    activation: str = "gelu"
    norm: str = "layer_norm"
    scaled: bool = False
    temperatures: int = 0
    position_buckets: int = 0
    attention_scaled: bool = False


@dataclass(frozen=True)
class Architecture:
    """A BERT-family encoder with a classification (or, with one output, regression) head, or a GPT-2-family decoder.

    A decoder normalises before each sublayer and once at the end; its outputs are the words of its vocabulary, which
    its embedding shares.
    """

    hidden_size: int
    layers: tuple[Layer, ...]
    outputs: int
    norm_eps: float = 1e-12
    family: Family = "encoder"

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that name this architecture."""
        text = json.dumps(self.spec(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def spec(self) -> dict[str, Any]:
        """Return the architecture as plain JSON types."""
        return _plain(self) | {"layers": [_plain(layer) for layer in self.layers]}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Architecture:
        """Rebuild an architecture from :meth:`spec`."""
        return cls(**{**spec, "layers": tuple(Layer(**layer) for layer in spec["layers"])})

    def with_layers(self, **changes: Any) -> Architecture:
        """Return a copy in which every layer has the given fields changed."""
        return replace(self, layers=tuple(replace(layer, **changes) for layer in self.layers))

    def single_layers(self) -> list[Architecture]:
        """Return each layer as an architecture of that layer, with one output; a decoder's vocabulary has one word."""
        return [replace(self, layers=(layer,), outputs=1) for layer in self.layers]


def _plain(part: Layer | Architecture) -> dict[str, Any]:
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    defaults = {field.name: field.default for field in fields(part)}
    return {name: value for name, value in values.items() if name not in _LATER or value != defaults[name]}
