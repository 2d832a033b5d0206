"""Only a polynomial softmax: the second dimension of IG-3D, under the same threshold and with the same recovery."""

from __future__ import annotations

from ig3d.method import compress_by
from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget


class PolySoftmax:
    """Layer by layer, the exponential becomes an even power, normalised by its sum or by the length."""

    info = MethodInfo(
        name="poly_softmax",
        version="4",
        summary="softmax becomes an even power of the shifted score, layer by layer",
        paper="after Zimerman et al., arXiv 2410.09457 (Power-Softmax), fitted to each head here",
        bibtex=(
            "@article{zimerman2024power, title={Power-Softmax: Towards Secure {LLM} Inference over Encrypted Data}, "
            "author={Zimerman, Itamar and others}, journal={arXiv:2410.09457}, year={2024}}"
        ),
        variants=(Variant("within_2.3", {"tolerance": 2.3}),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Replace as many layers' softmax as the tolerance allows, by the cheapest power."""
        return compress_by(("softmax",), dense, data, budget, variant.options["tolerance"])
