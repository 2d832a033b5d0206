"""Fewer layers: the control for everything that makes a layer cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from pibench.methods.contract import MethodInfo, Skip, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import Hidden, recover

DEPTHS = (2, 3, 4, 6, 8)


class Depth:
    """The first layers of the dense model, each distilled from a layer of it by TinyBERT's uniform map.

    TinyBERT's pretraining, its narrower layers and its attention loss are not reproduced.
    """

    info = MethodInfo(
        name="depth",
        version="1",
        summary="only the first layers are kept, and distilled from layers at equal distances",
        paper="after Jiao et al., EMNLP Findings 2020 (TinyBERT's uniform map)",
        bibtex=(
            "@inproceedings{jiao2020tinybert, title={{TinyBERT}: Distilling {BERT} for Natural Language "
            "Understanding}, author={Jiao, Xiaoqi and Yin, Yichun and Shang, Lifeng and Jiang, Xin and Chen, Xiao and "
            "Li, Linlin and Wang, Fang and Liu, Qun}, booktitle={Findings of EMNLP}, year={2020}}"
        ),
        variants=tuple(Variant(f"{count} layers", {"layers": count}) for count in DEPTHS),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model | Skip:
        """Cut the later layers off and train the model back."""
        layers, count = dense.architecture.layers, variant.options["layers"]
        if len(layers) <= count:
            return Skip(f"the backbone has {len(layers)} layers, so there is none to cut off: this keeps {count}")
        student = dense.rebuilt(replace(dense.architecture, layers=layers[:count]))
        taught = partial(picked, layers=uniform(count, len(layers)))
        return recover(student, dense, data, budget, compared=taught)


def uniform(count: int, total: int) -> list[int]:
    """Return for each of ``count`` layers the one of ``total`` that teaches it; the last teaches the last."""
    return [round((layer + 1) * total / count) - 1 for layer in range(count)]


def picked(hidden: Hidden, layers: Sequence[int]) -> list[torch.Tensor]:
    """Return the outputs of those layers."""
    return [hidden[layer] for layer in layers]
