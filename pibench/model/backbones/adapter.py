"""What the suite must know about a family of pretrained checkpoints to use them as backbones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from operator import call
from typing import Any, ClassVar

import torch

from pibench.model.architecture import Architecture, Family
from pibench.model.module import DecoderEmbeddings, Embeddings, Model
from pibench.plugins import Registry

State = Mapping[str, torch.Tensor]
"""Weights by name, as ``state_dict`` returns them."""

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
"""Our activation for each of transformers' that a checkpoint may have."""


class Adapter(ABC):
    """Converts one family of transformers' models to our models and back.

    A class without constructor arguments, registered under the entry-point group ``pibench.backbones`` by its
    ``model_type``, that of transformers' configurations. ``config`` is always such a configuration.
    """

    model_type: ClassVar[str]
    family: ClassVar[Family]
    optional: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the weights that a checkpoint may lack."""
    head: ClassVar[Mapping[str, str]] = {}
    """Our name of each module of a task's head, and that of transformers' model with such a head."""
    other_head: ClassVar[str | None] = None
    """How transformers' head differs from ours, as the end of a sentence; None if it computes the same."""

    @abstractmethod
    def problem(self, config: Any) -> str | None:
        """Return what our models do not support in ``config``, as the end of a sentence; None if nothing."""

    @abstractmethod
    def architecture(self, config: Any, outputs: int) -> Architecture:
        """Return the dense architecture; a decoder's outputs are its vocabulary, and ``outputs`` is ignored."""

    @abstractmethod
    def embeddings(self, config: Any) -> Embeddings | DecoderEmbeddings:
        """Return new embeddings of the configuration's sizes."""

    @abstractmethod
    def positions(self, config: Any) -> int:
        """Return the length of the longest text."""

    @abstractmethod
    def token_types(self, config: Any) -> int:
        """Return how many segments the embeddings tell apart; 0 if they ignore segments."""

    @abstractmethod
    def weights(self, state: State, config: Any) -> dict[str, torch.Tensor]:
        """Return the weights of transformers' base model (``AutoModel``) under our names, without a task's head."""

    def tie(self, model: Model) -> None:
        """Let a new dense model train as one those weights of its layers that are one in transformers' model."""
        return

    @abstractmethod
    def export(self, state: State, pretrained: Any) -> Any:
        """Return transformers' model with a task's head that computes what our dense model of ``state`` does.

        A head of another form (``other_head``) gets our matrices, and computes something else with them.
        ``pretrained`` is the base model that ours was built from.
        """

    def head_names(self) -> Iterator[tuple[str, str]]:
        """Yield our name of each weight of a task's head, and that of transformers' model with such a head."""
        for ours, theirs in self.head.items():
            for kind in ("weight", "bias"):
                yield f"head.{ours}_{kind}", f"{theirs}.{kind}"


ADAPTERS: Registry[Adapter] = Registry(
    "backbone family",
    "pibench.backbones",
    Adapter,  # type: ignore[type-abstract]
    make=call,
    named=lambda adapter: adapter.model_type,
)
"""The adapter of each family, by ``model_type``."""
