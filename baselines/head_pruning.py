"""Head pruning alone: the first dimension of IG-3D, but by gradient importance, as published."""

from __future__ import annotations

from ig3d.method import compress_by
from pibench.contract import Budget, MethodInfo, TaskData, Variant
from pibench.model import Model


class HeadPruning:
    """Heads go in the order of Michel et al.'s gradient importance, under IG-3D's threshold and recovery."""

    info = MethodInfo(
        name="head_pruning",
        version="3",
        summary="the least important attention heads by gradient are dropped",
        paper="Michel et al., NeurIPS 2019",
        bibtex=(
            "@inproceedings{michel2019sixteen, title={Are Sixteen Heads Really Better than One?}, author={Michel, "
            "Paul and Levy, Omer and Neubig, Graham}, booktitle={NeurIPS}, year={2019}}"
        ),
        variants=(Variant("within_2.3", options={"tolerance": 2.3}),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Prune as many heads as the tolerance allows."""
        return compress_by(("heads",), dense, data, budget, variant.options["tolerance"], importance="taylor")
