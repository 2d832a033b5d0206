"""MPCFormer: every GELU a fixed quadratic, every softmax 2Quad or 2ReLU, all at once, and distillation."""

from __future__ import annotations

from dataclasses import replace

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover, recover_in_stages


class MPCFormer:
    """Quad and 2Quad or 2ReLU in all layers, with the recovery that every method of the suite gets.

    Other variants use the authors' own two-stage distillation, or no distillation, within the same budget.
    """

    info = MethodInfo(
        name="mpcformer",
        version="2",
        summary="GELU becomes Quad, softmax 2Quad or 2ReLU, in every layer at once",
        paper="Li et al., ICLR 2023",
        bibtex=(
            "@inproceedings{li2023mpcformer, title={{MPCFormer}: Fast, Performant and Private Transformer Inference "
            "with {MPC}}, author={Li, Dacheng and Shao, Rulin and Wang, Hongyi and Guo, Han and Xing, Eric P and "
            "Zhang, Hao}, booktitle={ICLR}, year={2023}}"
        ),
        variants=(
            Variant("Quad+2Quad", {"softmax": "two_quad"}),
            Variant("Quad+2ReLU", {"softmax": "two_relu"}),
            Variant("Quad+2Quad, two stages", {"softmax": "two_quad", "recovery": "stages"}),
            Variant("Quad+2Quad, no distillation", {"softmax": "two_quad", "recovery": "labels"}),
        ),
        reported={
            "accuracy": (
                "GLUE 82.8 to 80.3 (Quad+2Quad) or 81.1 (Quad+2ReLU), without distillation 60.9 or 63.3; BERT-base, "
                "128 tokens, in floats"
            ),
            "latency": "2.2x (Quad+2Quad) or 1.93x (Quad+2ReLU) over CrypTen's BERT-base",
        },
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Replace both operators everywhere and train the model back."""
        changed = dense.architecture.with_layers(activation="quad", softmax=variant.options["softmax"])
        student, recovery = dense.rebuilt(changed), variant.options.get("recovery")
        if recovery == "stages":
            return recover_in_stages(student, dense, data, budget)
        if recovery == "labels":
            budget = replace(budget, recovery="finetune")
        return recover(student, dense, data, budget)
