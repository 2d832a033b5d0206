"""MPCFormer: every GELU a fixed quadratic, every softmax 2Quad or 2ReLU, all at once, and distillation."""

from __future__ import annotations

from dataclasses import replace

from pibench.contract import Budget, MethodInfo, TaskData, Variant
from pibench.model import Model
from pibench.training.distill import recover


class MPCFormer:
    """Quad and 2Quad or 2ReLU in all layers; the second variant of each is without its distillation.

    The authors distil in two stages, hidden states first; here both losses are one, as for every method of the suite.
    """

    info = MethodInfo(
        name="mpcformer",
        version="1",
        summary="GELU becomes Quad, softmax 2Quad or 2ReLU, in every layer at once",
        paper="Li et al., ICLR 2023",
        bibtex=(
            "@inproceedings{li2023mpcformer, title={{MPCFormer}: Fast, Performant and Private Transformer Inference "
            "with {MPC}}, author={Li, Dacheng and Shao, Rulin and Wang, Hongyi and Guo, Han and Xing, Eric P and "
            "Zhang, Hao}, booktitle={ICLR}, year={2023}}"
        ),
        variants=(
            Variant("Quad+2Quad", options={"softmax": "two_quad"}),
            Variant("Quad+2ReLU", options={"softmax": "two_relu"}),
            Variant("Quad+2Quad, no distillation", options={"softmax": "two_quad", "distil": False}),
        ),
        reported={
            "GLUE": "82.8 to 80.3 (Quad+2Quad) or 81.1 (Quad+2ReLU) on average; BERT-base, 128 tokens",
            "latency": "2.2x (Quad+2Quad) or 1.93x (Quad+2ReLU) over CrypTen's BERT-base, 512 tokens",
            "without distillation": "60.9 (Quad+2Quad) or 63.3 (Quad+2ReLU) on average",
        },
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Replace both operators everywhere and train the model back."""
        changed = dense.architecture.with_layers(activation="quad", softmax=variant.options["softmax"])
        if not variant.options.get("distil", True):
            budget = replace(budget, recovery="finetune")
        return recover(dense.rebuilt(changed), dense, data, budget)
