"""BERT checkpoints (Devlin et al., NAACL 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pibench.model.backbones.encoder import Encoder


class Bert(Encoder):
    """Encoders with absolute positions."""

    model_type = "bert"
    head: ClassVar[Mapping[str, str]] = {"pooler": "bert.pooler.dense", "classifier": "classifier"}
