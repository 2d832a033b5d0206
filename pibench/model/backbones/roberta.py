"""RoBERTa checkpoints (Liu et al., arXiv 1907.11692)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pibench.model.backbones.encoder import Encoder


class Roberta(Encoder):
    """Encoders like BERT whose position ids begin after that of padding."""

    model_type = "roberta"
    head: ClassVar[Mapping[str, str]] = {"pooler": "classifier.dense", "classifier": "classifier.out_proj"}

    def problem(self, config: Any) -> str | None:
        if config.pad_token_id is None:
            return "has no pad_token_id in its config.json, after which its position ids begin"
        return super().problem(config)

    def first_position(self, config: Any) -> int:
        return config.pad_token_id + 1
