"""Only head pruning: the first dimension of IG-3D, but with the importance scores that IG-3D is compared with."""

from __future__ import annotations

import torch

from ig3d.method import compress_by
from pibench.methods.contract import MethodInfo, Variant
from pibench.methods.importance import IMPORTANCE
from pibench.methods.surgery.pruning import prune_heads
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover


class HeadPruning:
    """Heads go in the order of Michel et al.'s gradient importance, under IG-3D's threshold and recovery.

    Other variants remove half of the heads at once: by gradient, by the size of their weights, and at random.
    """

    info = MethodInfo(
        name="head_pruning",
        version="4",
        summary="the least important attention heads by gradient are dropped",
        paper="Michel et al., NeurIPS 2019",
        bibtex=(
            "@inproceedings{michel2019sixteen, title={Are Sixteen Heads Really Better than One?}, author={Michel, "
            "Paul and Levy, Omer and Neubig, Graham}, booktitle={NeurIPS}, year={2019}}"
        ),
        variants=(
            Variant("within_2.3", {"tolerance": 2.3}),
            Variant("half, gradient", {"importance": "taylor"}),
            Variant("half, magnitude", {"importance": "magnitude"}),
            Variant("half, random", {"importance": "random"}),
        ),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Prune as many heads as the tolerance allows, or half of them."""
        if "tolerance" in variant.options:
            return compress_by(("heads",), dense, data, budget, variant.options["tolerance"], importance="taylor")
        scores = IMPORTANCE[variant.options["importance"]](dense, data.train, data.pad_id, budget.seed).mean(0)
        return recover(prune_heads(dense, better_half(scores)), dense, data, budget)


def better_half(scores: torch.Tensor) -> torch.Tensor:
    """Return which heads are kept, bools like ``scores`` (layers, heads): half of all, at least one per layer."""
    ranks = scores.clone()
    best = scores.argmax(1, keepdim=True)
    ranks.scatter_(1, best, torch.inf)
    kept = torch.zeros(scores.numel(), dtype=torch.bool)
    kept[ranks.flatten().topk(scores.numel() // 2).indices] = True
    return kept.reshape(scores.shape)
