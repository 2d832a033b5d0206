"""BOLT: GELU by a quartic on the dense weights, without its protocols and its word elimination."""

from __future__ import annotations

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget


class Bolt:
    """The dense model with BOLT's GELU; softmax, tanh and LayerNorm are the engine's.

    BOLT multiplies under homomorphic encryption and compares by oblivious transfer, which is not reproduced; nor is
    its word elimination, which drops half of the tokens after the first layer and needs an oblivious sort.
    """

    info = MethodInfo(
        name="bolt",
        version="1",
        summary="GELU by a quartic of abs(x) within 2.7; the dense weights as they are",
        paper="Pang et al., S&P 2024",
        bibtex=(
            "@inproceedings{pang2024bolt, title={{BOLT}: Privacy-Preserving, Accurate and Efficient Inference for "
            'Transformers}, author={Pang, Qi and Zhu, Jinhao and M{\\"o}llering, Helen and Zheng, Wenting and '
            "Schneider, Thomas}, booktitle={IEEE S\\&P}, year={2024}}"
        ),
        variants=(Variant("no training"),),
        reported={
            "communication": "10.91x less than Iron; BERT-base, homomorphic encryption and oblivious transfer",
            "latency": "4.8x to 9.5x over Iron",
        },
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Return the dense weights with another GELU."""
        return dense.rebuilt(dense.architecture.with_layers(activation="bolt")).eval()
