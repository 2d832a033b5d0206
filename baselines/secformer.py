"""SecFormer: 2Quad with distillation, GELU kept by a Fourier series, LayerNorm by Goldschmidt's iteration."""

from __future__ import annotations

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover


class SecFormer:
    """The paper's network, and a variant that leaves LayerNorm to the engine.

    Goldschmidt's iteration needs variances of 2 to 5880, which not every backbone has.
    """

    info = MethodInfo(
        name="secformer",
        version="1",
        summary="softmax becomes 2Quad and is distilled; GELU by seven sines, LayerNorm by Goldschmidt",
        paper="Luo et al., ACL Findings 2024",
        bibtex=(
            "@inproceedings{luo2024secformer, title={{SecFormer}: Fast and Accurate Privacy-Preserving Inference for "
            "Transformer Models via {SMPC}}, author={Luo, Jinglong and Zhang, Yehong and Zhang, Zhuo and Zhang, "
            "Jiaqi and Mu, Xin and Wang, Hui and Yu, Yue and Xu, Zenglin}, booktitle={Findings of ACL}, year={2024}}"
        ),
        variants=(
            Variant("paper", {"norm": "goldschmidt"}),
            Variant("engine's LayerNorm", {"norm": "layer_norm"}),
        ),
        reported={
            "latency": "3.57x (base) and 3.58x (large) over PUMA",
            "accuracy": "3.4 % above MPCFormer (BERT-base, GLUE)",
        },
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Replace the operators everywhere and train the model back."""
        changed = dense.architecture.with_layers(
            activation="secformer", softmax="two_quad", norm=variant.options["norm"]
        )
        return recover(dense.rebuilt(changed), dense, data, budget)
