"""Only GELU substitution: the third dimension of IG-3D, under the same threshold and with the same recovery."""

from __future__ import annotations

from ig3d.method import compress_by
from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget


class GeluSubstitution:
    """Layer by layer, GELU becomes a ReLU, a parabola per neuron, or nothing, as long as accuracy recovers."""

    info = MethodInfo(
        name="gelu_substitution",
        version="4",
        summary="GELU becomes a ReLU, a parabola or nothing, layer by layer",
        paper="after Li et al., ICLR 2023 (MPCFormer's Quad), fitted to each neuron here",
        bibtex=(
            "@inproceedings{li2023mpcformer, title={{MPCFormer}: Fast, Performant and Private Transformer Inference "
            "with {MPC}}, author={Li, Dacheng and Shao, Rulin and Wang, Hongyi and Guo, Han and Xing, Eric P and "
            "Zhang, Hao}, booktitle={ICLR}, year={2023}}"
        ),
        variants=(Variant("within_2.3", {"tolerance": 2.3}),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Substitute as many layers' GELU as the tolerance allows."""
        return compress_by(("gelu",), dense, data, budget, variant.options["tolerance"])
