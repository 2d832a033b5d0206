"""A trainable private model: an architecture and its weights, with the client's embedding in front."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from pibench.architecture import Architecture, Layer
from pibench.forward import Output, Weights, encode
from pibench.interpreters.base import Interpreter
from pibench.interpreters.torch import TorchInterpreter
from pibench.operators.softmax import POWERS


class Embeddings(nn.Module):
    """Word, position and segment embeddings with LayerNorm; the client computes them on its own text."""

    def __init__(self, words: int, positions: int, segments: int, hidden_size: int, eps: float) -> None:
        super().__init__()
        self.word = nn.Embedding(words, hidden_size)
        self.position = nn.Embedding(positions, hidden_size)
        self.segment = nn.Embedding(segments, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        """Map token and segment ids (batch, seq) to vectors (batch, seq, hidden)."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        return self.norm(self.word(input_ids) + self.position(positions) + self.segment(token_type_ids))


def _layer_parameters(hidden: int, layer: Layer) -> dict[str, tuple[int, ...]]:
    context = layer.heads * layer.head_size
    shapes: dict[str, tuple[int, ...]] = {
        "qkv_weight": (3 * context, hidden),
        "qkv_bias": (3 * context,),
        "output_weight": (hidden, context),
        "output_bias": (hidden,),
        "attention_norm_weight": (hidden,),
        "attention_norm_bias": (hidden,),
        "ffn_norm_weight": (hidden,),
        "ffn_norm_bias": (hidden,),
    }
    if layer.ffn_size:
        shapes |= {
            "ffn_in_weight": (layer.ffn_size, hidden),
            "ffn_in_bias": (layer.ffn_size,),
            "ffn_out_weight": (hidden, layer.ffn_size),
            "ffn_out_bias": (hidden,),
        }
    else:
        shapes |= {"ffn_weight": (hidden, hidden), "ffn_bias": (hidden,)}
    if layer.activation == "quadratic":
        shapes["activation_coefficients"] = (3,)
    if layer.softmax in POWERS:
        shapes["softmax_coefficients"] = (layer.heads,)
    return shapes


def _head_parameters(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    hidden = architecture.hidden_size
    return {
        "pooler_weight": (hidden, hidden),
        "pooler_bias": (hidden,),
        "classifier_weight": (architecture.outputs, hidden),
        "classifier_bias": (architecture.outputs,),
    }


def _parameters(shapes: Mapping[str, tuple[int, ...]]) -> nn.ParameterDict:
    # BERT's own initialisation: N(0, 0.02) for matrices, zero shifts, unit LayerNorm scales.
    def initial(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        if name.endswith("norm_weight"):
            return torch.ones(shape)
        return torch.randn(shape) * 0.02 if name.endswith("weight") else torch.zeros(shape)

    return nn.ParameterDict({name: nn.Parameter(initial(name, shape)) for name, shape in shapes.items()})


class Model(nn.Module):
    """An :class:`Architecture` with weights, in torch."""

    def __init__(self, architecture: Architecture, embeddings: Embeddings) -> None:
        super().__init__()
        self.architecture = architecture
        self.embeddings = embeddings
        self.notes: dict[str, Any] = {}
        """What the method that made this model wants to be recorded, as plain JSON types."""
        hidden = architecture.hidden_size
        self.layers = nn.ModuleList(_parameters(_layer_parameters(hidden, layer)) for layer in architecture.layers)
        self.head = _parameters(_head_parameters(architecture))

    def weights(self) -> Weights:
        """Return the weights behind the embeddings, as the forward pass takes them."""
        return Weights([dict(layer.items()) for layer in self.layer_weights], dict(self.head.items()))

    @property
    def layer_weights(self) -> list[nn.ParameterDict]:
        """The trainable weights of each layer, by name."""
        return cast("list[nn.ParameterDict]", list(self.layers))

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        keep: torch.Tensor,
        ops: Interpreter | None = None,
        gates: torch.Tensor | None = None,
    ) -> Output:
        """Run the forward pass in floats; ids and the 0/1 mask have shape (batch, seq)."""
        ops = ops or TorchInterpreter()
        embedded = ops.dropout(self.embeddings(input_ids, token_type_ids))
        return encode(ops, self.architecture, self.weights(), embedded, keep.to(embedded.dtype), gates)

    def rebuilt(self, architecture: Architecture) -> Model:
        """Return a copy with another architecture; weights of equal name and shape are kept."""
        model = Model(architecture, copy.deepcopy(self.embeddings))
        own, new = self.state_dict(), model.state_dict()
        kept = {name: own[name] for name in new if name in own and own[name].shape == new[name].shape}
        model.load_state_dict(new | {name: value.clone() for name, value in kept.items()})
        return model

    def fingerprint(self) -> str:
        """Return a short hash of architecture and weights."""
        digest = hashlib.sha256(self.architecture.key.encode())
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
