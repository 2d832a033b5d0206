"""A polynomial softmax alone: MPCFormer's 2Quad in every layer."""

from __future__ import annotations

from pibench.contract import Budget, MethodInfo, TaskData, Variant
from pibench.model import Model
from pibench.training.distill import recover


class PolySoftmax:
    """Replaces every softmax by 2Quad, then recovers."""

    info = MethodInfo(
        name="poly_softmax",
        version="1",
        summary="softmax becomes a normalised quadratic (2Quad)",
        paper="Li et al., ICLR 2023 (MPCFormer)",
        bibtex=(
            "@inproceedings{li2023mpcformer, title={{MPCFormer}: Fast, Performant and Private Transformer Inference "
            "with {MPC}}, author={Li, Dacheng and Shao, Rulin and Wang, Hongyi and Guo, Han and Xing, Eric P and "
            "Zhang, Hao}, booktitle={ICLR}, year={2023}}"
        ),
        variants=(Variant("2quad"),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Replace the softmax of every layer and train back."""
        student = dense.rebuilt(dense.architecture.with_layers(softmax="two_quad"))
        return recover(student, dense, data, budget)
