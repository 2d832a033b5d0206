"""BERT checkpoints (Devlin et al., NAACL 2019)."""

from __future__ import annotations

from pibench.model.backbones.encoder import Encoder


class Bert(Encoder):
    """Encoders with absolute positions."""

    model_type = "bert"
    head = {"pooler": "bert.pooler.dense", "classifier": "classifier"}
