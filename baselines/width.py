"""Narrower layers: the control for everything that makes the operators of a layer cheaper."""

from __future__ import annotations

from functools import partial

import torch

from pibench.methods.contract import MethodInfo, Variant
from pibench.methods.importance import goal, sample
from pibench.methods.surgery.pruning import Units, prune_width
from pibench.model.module import Model
from pibench.tasks.batches import Batch
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import Hidden, recover

_READERS = ("ffn_out_weight", "classifier_weight")


class Width:
    """The most important hidden units and FFN neurons are kept, by a first-order Taylor score; all heads stay.

    Molchanov et al. prune the channels of convolutional networks, a few at a time during training.
    """

    info = MethodInfo(
        name="width",
        version="1",
        summary="half or a quarter of all hidden units and FFN neurons is kept, the most important ones by gradient",
        paper="after Molchanov et al., CVPR 2019",
        bibtex=(
            "@inproceedings{molchanov2019importance, title={Importance Estimation for Neural Network Pruning}, "
            "author={Molchanov, Pavlo and Mallya, Arun and Tyree, Stephen and Frosio, Iuri and Kautz, Jan}, "
            "booktitle={CVPR}, year={2019}}"
        ),
        variants=(Variant("half", {"part": 2}), Variant("quarter", {"part": 4})),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Cut out the least important units and train the model back towards the others."""
        kept = most_important(taylor_scores(dense, data, budget.seed), variant.options["part"])
        return recover(prune_width(dense, kept), dense, data, budget, compared=partial(only, kept=kept.hidden))


def only(hidden: Hidden, kept: torch.Tensor) -> list[torch.Tensor]:
    """Return the kept units of every layer's output."""
    return [own[..., kept] for own in hidden]


def most_important(scores: Units, part: int) -> Units:
    """Return the indices, in order, of one in ``part`` of the units of each kind: those with the highest scores."""

    def best(own: torch.Tensor) -> torch.Tensor:
        return own.topk(max(1, len(own) // part)).indices.sort().values

    return Units(best(scores.hidden), tuple(map(best, scores.neurons)), best(scores.pooled))


def taylor_scores(model: Model, data: TaskData, seed: int) -> Units:
    """Return the score of every unit on examples of train: the mean over batches of its squared gate gradient.

    A gate of 1 scales the unit wherever it is read: a hidden unit after every LayerNorm, a neuron after its activation,
    a unit of the pooler before the classifier. The gradient of F (see :mod:`pibench.methods.importance`) by the gate is
    the sum of gradient times weight over the weights that write, or read, the unit (Molchanov et al., section 3).
    """
    parts = [_squared_gradients(model, batch) for batch in sample(data.train, data.pad_id, seed)]
    return Units(
        torch.stack([own.hidden for own in parts]).mean(0),
        tuple(torch.stack(layer).mean(0) for layer in zip(*(own.neurons for own in parts), strict=True)),
        torch.stack([own.pooled for own in parts]).mean(0),
    )


def _squared_gradients(model: Model, batch: Batch) -> Units:
    """Return the squared gradient of a batch's F by the gate of every unit."""
    value = goal(model(batch.input_ids, batch.token_type_ids, batch.keep).logits, batch.labels).sum()
    weights = dict(model.named_parameters())
    read = {name: value for name, value in weights.items() if "norm" in name or name.endswith(_READERS)}
    gradients = torch.autograd.grad(value, list(read.values()))
    products = {name: weight.detach() * own for (name, weight), own in zip(read.items(), gradients, strict=True)}
    norms = torch.stack([own for name, own in products.items() if "norm" in name])
    neurons = (products[f"layers.{index}.ffn_out_weight"] for index in range(len(model.layers)))
    return Units(
        norms.sum(0).square(),
        tuple(own.sum(0).square() for own in neurons),
        products["head.classifier_weight"].sum(0).square(),
    )
