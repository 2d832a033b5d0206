"""ELECTRA checkpoints (Clark et al., ICLR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pibench.model.backbones.encoder import BERT_OUTER, Encoder


class Electra(Encoder):
    """Encoders like BERT whose embeddings may be smaller than their hidden size; they have no pooler."""

    model_type = "electra"
    head: ClassVar[Mapping[str, str]] = {"pooler": "classifier.dense", "classifier": "classifier.out_proj"}
    other_head = "has GELU in its head"
    outer: ClassVar[Mapping[str, str]] = BERT_OUTER | {"embeddings.projection": "embeddings_project"}

    def embedding_size(self, config: Any) -> int:
        return config.embedding_size
