"""In the style of THE-X: ReLU, a cubic softmax and LayerNorm without statistics; only comparisons are left."""

from __future__ import annotations

from pibench.methods.contract import MethodInfo, Variant
from pibench.methods.surgery.activation import with_activation
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.norm import with_affine_norms
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover


class TheX:
    """All three operators replaced in every layer, then distilled.

    THE-X runs under homomorphic encryption, with comparisons at the client; neither is reproduced. Its LayerNorm is
    distilled from the exact one; here the affine map nearest to it is the start.
    """

    info = MethodInfo(
        name="the_x",
        version="2",
        summary="GELU becomes ReLU, softmax a cubic one, LayerNorm an affine map",
        paper="Chen et al., ACL Findings 2022",
        bibtex=(
            "@inproceedings{chen2022thex, title={{THE-X}: Privacy-Preserving Transformer Inference with Homomorphic "
            "Encryption}, author={Chen, Tianyu and Bao, Hangbo and Huang, Shaohan and Dong, Li and Jiao, Binxing and "
            "Jiang, Daxin and Zhou, Haoyi and Li, Jianxin and Wei, Furu}, booktitle={Findings of ACL}, year={2022}}"
        ),
        variants=(Variant("all layers"),),
        reported={"accuracy": "negligible loss (abstract); homomorphic encryption, not secret sharing"},
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Replace the operators front to back and train the model back."""
        model = dense.rebuilt(dense.architecture.with_layers(softmax="relu_cube")).eval()
        for index in range(len(dense.architecture.layers)):
            model = with_affine_norms(model, index, observe(model, data.train, data.pad_id, budget.seed))
            seen = observe(model, data.train, data.pad_id, budget.seed)
            model = with_activation(model, index, "relu", seen)
        return recover(model, dense, data, budget)
