"""A trainable private model: an architecture and its weights, with the client's embedding in front."""

from __future__ import annotations

import copy
import hashlib
import math
from typing import Any, cast

import torch
from torch import nn

from pibench.errors import InputError
from pibench.model.architecture import Architecture
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import Output, forward
from pibench.model.parameters import Declared, Parameter, Role, Weights, parameters
from pibench.model.primitives import Interpreter
from pibench.model.spent import Spent

INITIAL_DEVIATION = 0.02


class Embeddings(nn.Module):
    """Word, position and segment embeddings with LayerNorm; the client computes them on its own text.

    With 0 ``segments`` there is no table of them. Vectors of a given ``size`` are projected to the hidden size.
    """

    def __init__(
        self, words: int, positions: int, segments: int, hidden_size: int, eps: float, size: int | None = None
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(size, hidden_size) if size else None
        size = size or hidden_size
        self.word = nn.Embedding(words, size)
        self.position = nn.Embedding(positions, size)
        self.segment = nn.Embedding(segments, size) if segments else None
        self.norm = nn.LayerNorm(size, eps=eps)

    def resized(self, hidden_size: int) -> Embeddings:
        """Return new embeddings of another hidden size."""
        words, positions = self.word.num_embeddings, self.position.num_embeddings
        segments = self.segment.num_embeddings if self.segment else 0
        size = self.word.embedding_dim if self.projection else None
        return Embeddings(words, positions, segments, hidden_size, self.norm.eps, size)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        """Map token and segment ids (batch, seq) to vectors (batch, seq, hidden); padding must be on the right."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        vectors = self.word(input_ids) + self.position(positions)
        if self.segment is not None:
            vectors = vectors + self.segment(token_type_ids)
        vectors = self.norm(vectors)
        return vectors if self.projection is None else self.projection(vectors)


class DecoderEmbeddings(nn.Module):
    """A decoder's word and position embeddings; its head uses the word embeddings as vocabulary matrix."""

    def __init__(self, words: int, positions: int, hidden_size: int) -> None:
        super().__init__()
        self.word = nn.Embedding(words, hidden_size)
        self.position = nn.Embedding(positions, hidden_size)
        for table in (self.word, self.position):
            nn.init.normal_(table.weight, std=INITIAL_DEVIATION)

    def resized(self, hidden_size: int) -> DecoderEmbeddings:
        """Return new embeddings of another hidden size."""
        return DecoderEmbeddings(self.word.num_embeddings, self.position.num_embeddings, hidden_size)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        """Map token ids (batch, seq) to vectors (batch, seq, hidden); a decoder has no segments."""
        return self.word(input_ids) + self.position(torch.arange(input_ids.shape[1], device=input_ids.device))


def initial(parameter: Parameter) -> torch.Tensor:
    """Return a parameter's initial value, as in BERT and GPT-2: matrices from N(0, 0.02), scales 1, shifts 0.

    A coefficient is NaN until a method sets it, so that one that was forgotten cannot pass for a number.
    """
    if parameter.role is Role.MATRIX:
        return torch.randn(parameter.shape) * INITIAL_DEVIATION
    if parameter.role is Role.COEFFICIENT:
        return torch.full(parameter.shape, math.nan)
    return torch.ones(parameter.shape) if parameter.role is Role.SCALE else torch.zeros(parameter.shape)


def _stored(declared: Declared) -> nn.ParameterDict:
    own = {name: parameter for name, parameter in declared.items() if not parameter.tied}
    return nn.ParameterDict({name: nn.Parameter(initial(parameter)) for name, parameter in own.items()})


class Model(nn.Module):
    """An :class:`Architecture` with weights, in torch."""

    def __init__(self, architecture: Architecture, embeddings: Embeddings | DecoderEmbeddings) -> None:
        super().__init__()
        self.architecture = architecture
        self.embeddings = embeddings
        self.notes: dict[str, Any] = {}
        """What the method that made this model wants recorded, as plain JSON types."""
        self.spent = Spent()
        """The training that went into these weights; a method's count begins at zero, with its dense model."""
        *layers, head = parameters(architecture)
        self.layers = nn.ModuleList(map(_stored, layers))
        self.head = _stored(head)

    def weights(self) -> Weights:
        """Return the weights behind the embeddings, as the forward pass takes them."""
        head = dict(self.head.items())
        if self.architecture.family == "decoder":
            words = cast("torch.Tensor", self.embeddings.word.weight)
            head |= {"vocabulary_weight": words, "vocabulary_bias": torch.zeros(len(words), device=words.device)}
        return Weights(self.architecture, [dict(layer.items()) for layer in self.layer_weights], head)

    def public_names(self) -> set[str]:
        """Return the names, in the state dictionary, of the parameters that both parties know."""
        places = [*(f"layers.{index}" for index in range(len(self.layers))), "head"]
        declared = zip(places, parameters(self.architecture), strict=True)
        return {f"{place}.{name}" for place, own in declared for name, one in own.items() if one.public}

    def unset(self) -> dict[str, nn.Parameter]:
        """Return the coefficients that nobody has set, by their names in the state dictionary."""
        public = self.public_names()
        return {name: value for name, value in self.named_parameters() if name in public and value.isnan().any()}

    def refuse_unset(self) -> None:
        """Check that every coefficient was set.

        Raises:
            InputError: one was not.
        """
        if unset := sorted(self.unset()):
            raise InputError(f"the coefficient {unset[0]!r} was never set: set it as with_layer and with_softmax do")

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
        """Run the forward pass in floats; ids, segments (unused by a decoder) and the 0/1 mask are (batch, seq)."""
        ops = ops or TorchInterpreter()
        embedded = ops.dropout(self.embeddings(input_ids, token_type_ids))
        return forward(ops, self.architecture, self.weights(), embedded, keep.to(embedded.dtype), gates)

    def rebuilt(self, architecture: Architecture) -> Model:
        """Return a copy with another architecture; weights of equal name and shape are kept, and the count of training.

        With another hidden size the embeddings are new.
        """
        same = architecture.hidden_size == self.architecture.hidden_size
        embeddings = copy.deepcopy(self.embeddings) if same else self.embeddings.resized(architecture.hidden_size)
        model = Model(architecture, embeddings).to(self.embeddings.word.weight.dtype)
        own, new = self.state_dict(), model.state_dict()
        kept = {name: own[name] for name in new if name in own and own[name].shape == new[name].shape}
        model.load_state_dict(new | {name: value.clone() for name, value in kept.items()})
        model.spent = self.spent
        return model

    def fingerprint(self) -> str:
        """Return a short hash of architecture and weights."""
        digest = hashlib.sha256(self.architecture.key.encode())
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def blank(architecture: Architecture) -> Model:
    """Return a model that has only shapes (torch's meta device); the position table has one row."""
    hidden = architecture.hidden_size
    with torch.device("meta"):
        if architecture.family == "decoder":
            return Model(architecture, DecoderEmbeddings(architecture.outputs, 1, hidden))
        return Model(architecture, Embeddings(1, 1, 1, hidden, architecture.norm_eps))
