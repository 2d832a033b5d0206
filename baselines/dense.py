"""The unchanged fine-tuned model, which every speed-up refers to."""

from __future__ import annotations

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget


class Dense:
    """Exact softmax, GELU and LayerNorm."""

    info = MethodInfo(
        name="dense",
        version="1",
        summary="fine-tuned BERT, nothing replaced",
        paper="Devlin et al., NAACL 2019",
        bibtex=(
            "@inproceedings{devlin2019bert, title={{BERT}: Pre-training of Deep Bidirectional Transformers for "
            "Language Understanding}, author={Devlin, Jacob and Chang, Ming-Wei and Lee, Kenton and Toutanova, "
            "Kristina}, booktitle={NAACL}, year={2019}}"
        ),
        variants=(Variant("exact"),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Return the dense model itself."""
        return dense
