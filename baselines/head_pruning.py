"""Head pruning alone: half of all heads go, the least important by gradient."""

from __future__ import annotations

import torch

from ig3d.pruning import prune_heads
from pibench.contract import Budget, MethodInfo, Split, TaskData, Variant
from pibench.model import Model
from pibench.training.batches import ordered
from pibench.training.distill import recover
from pibench.training.finetune import EVALUATION_BATCH, task_loss


class HeadPruning:
    """Michel et al.'s gradient importance, one cut over all layers, then recovery."""

    info = MethodInfo(
        name="head_pruning",
        version="1",
        summary="drop the least important attention heads by gradient",
        paper="Michel et al., NeurIPS 2019",
        bibtex=(
            "@inproceedings{michel2019sixteen, title={Are Sixteen Heads Really Better than One?}, author={Michel, "
            "Paul and Levy, Omer and Neubig, Graham}, booktitle={NeurIPS}, year={2019}}"
        ),
        variants=(Variant("half", options={"share": 0.5}),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Prune the share of heads that the variant names, by importance on the selection split."""
        importance = gradient_importance(dense, data.selection, data.pad_id)
        pruned = prune_heads(dense, most_important(importance, variant.options["share"]))
        return recover(pruned, dense, data, budget)


def gradient_importance(model: Model, split: Split, pad_id: int) -> torch.Tensor:
    """Return each head's importance, shape (layers, heads).

    The mean over examples of the absolute gradient of the loss with respect to a gate on the head's context,
    divided by its L2 norm within the layer (Michel et al. 2019, section 4.1).
    """
    layers = model.architecture.layers
    total = torch.zeros(len(layers), layers[0].heads)
    for batch in ordered(split, EVALUATION_BATCH, pad_id):
        size = len(batch.labels)
        gates = torch.ones(len(layers), size, layers[0].heads, requires_grad=True)
        logits = model(batch.input_ids, batch.token_type_ids, batch.keep, gates=gates).logits
        (gradient,) = torch.autograd.grad(task_loss(logits, batch.labels) * size, gates)
        total += gradient.abs().sum(dim=1)
    return total / total.norm(dim=1, keepdim=True).clamp_min(1e-12)


def most_important(importance: torch.Tensor, share_pruned: float) -> torch.Tensor:
    """Return which heads stay (layers, heads; bool): the best of each layer, and the best of all the rest."""
    protected = importance.clone()
    protected.scatter_(1, importance.argmax(dim=1, keepdim=True), torch.inf)
    stay = importance.numel() - round(share_pruned * importance.numel())
    keep = torch.zeros(importance.numel(), dtype=torch.bool)
    keep[protected.flatten().topk(max(stay, len(importance))).indices] = True
    return keep.view_as(importance)
