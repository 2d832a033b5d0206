"""ELECTRA checkpoints (Clark et al., ICLR 2020)."""

from __future__ import annotations

from typing import Any

from pibench.model.backbones.encoder import BERT_OUTER, Encoder


class Electra(Encoder):
    """Encoders like BERT whose embeddings may be smaller than their hidden size; they have no pooler."""

    model_type = "electra"
    other_head = "has GELU in its head"
    outer = BERT_OUTER | {"embeddings.projection": "embeddings_project"}

    def embedding_size(self, config: Any) -> int:
        return config.embedding_size
