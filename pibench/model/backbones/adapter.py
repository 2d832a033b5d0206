"""What the suite must know about a family of pretrained checkpoints to use them as backbones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from operator import call
from typing import Any, ClassVar

import torch

from pibench.model.architecture import Architecture, Family
from pibench.model.module import DecoderEmbeddings, Embeddings
from pibench.plugins import Registry

State = Mapping[str, torch.Tensor]
"""Weights by name, as ``state_dict`` returns them."""


class Adapter(ABC):
    """Converts one family of transformers' models to our models and back.

    A class without constructor arguments, registered under the entry-point group ``pibench.backbones`` by its
    ``model_type``, that of transformers' configurations. ``config`` is always such a configuration.
    """

    model_type: ClassVar[str]
    family: ClassVar[Family]
    optional: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the weights that a checkpoint may lack."""

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
    def weights(self, state: State) -> dict[str, torch.Tensor]:
        """Return the weights of transformers' base model (``AutoModel``) under our names, without a task's head."""

    @abstractmethod
    def export(self, state: State, config: Any) -> Any:
        """Return transformers' model with a task's head that computes what our dense model of ``state`` does."""


ADAPTERS: Registry[Adapter] = Registry(
    "backbone family",
    "pibench.backbones",
    Adapter,  # type: ignore[type-abstract]
    make=call,
    named=lambda adapter: adapter.model_type,
)
"""The adapter of each family, by ``model_type``."""
