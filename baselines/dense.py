"""The fine-tuned model: unchanged, which every loss and speed-up refers to, and trained further as a control."""

from __future__ import annotations

import copy
from dataclasses import replace

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover


class Dense:
    """Exact softmax, GELU and LayerNorm.

    Other variants spend the budget of every method on the dense model, distilled from itself or by the labels alone:
    what they gain is due to more training, and not to a method.
    """

    info = MethodInfo(
        name="dense",
        version="2",
        summary="fine-tuned BERT, nothing replaced; as it is, or trained further with the budget of every method",
        paper="Devlin et al., NAACL 2019",
        bibtex=(
            "@inproceedings{devlin2019bert, title={{BERT}: Pre-training of Deep Bidirectional Transformers for "
            "Language Understanding}, author={Devlin, Jacob and Chang, Ming-Wei and Lee, Kenton and Toutanova, "
            "Kristina}, booktitle={NAACL}, year={2019}}"
        ),
        variants=(
            Variant("exact"),
            Variant("trained on", {"recovery": "distill"}),
            Variant("trained on labels", {"recovery": "finetune"}),
        ),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Return the dense model itself, or a copy that was trained further."""
        if variant.name == "exact":
            return dense
        own = replace(budget, recovery=variant.options["recovery"])
        return recover(copy.deepcopy(dense), dense, data, own)
