"""PUMA: better approximations of the exact operators, and no training at all."""

from __future__ import annotations

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget


class Puma:
    """The dense model with PUMA's GELU and softmax; its three-party protocols are not reproduced."""

    info = MethodInfo(
        name="puma",
        version="1",
        summary="GELU in four pieces, softmax by a power of two of 1 + x / 32; the dense weights as they are",
        paper="Dong et al., arXiv 2307.12533",
        bibtex=(
            "@article{dong2023puma, title={{PUMA}: Secure Inference of {LLaMA-7B} in Five Minutes}, author={Dong, Ye "
            "and Lu, Wen-jie and Zheng, Yancheng and Wu, Haoqi and Zhao, Derun and Tan, Jin and Huang, Zhicong and "
            "Hong, Cheng and Wei, Tao and Chen, Wenguang}, journal={arXiv:2307.12533}, year={2023}}"
        ),
        variants=(Variant("no training"),),
        reported={"latency": "about 2x faster than MPCFormer; three parties, replicated shares, SPU"},
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Return the dense weights with other operators."""
        return dense.rebuilt(dense.architecture.with_layers(activation="puma", softmax="puma")).eval()
