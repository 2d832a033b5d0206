"""GELU substitution alone: a quadratic in every layer, fitted to that layer's own pre-activations."""

from __future__ import annotations

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch.nn import functional

from pibench.contract import Budget, MethodInfo, Split, TaskData, Variant
from pibench.interpreters.observe import PreActivations
from pibench.model import Model
from pibench.training.batches import ordered
from pibench.training.distill import recover
from pibench.training.finetune import EVALUATION_BATCH

SAMPLES_PER_BATCH = 20_000


class GeluSubstitution:
    """Replaces every GELU by a least-squares quadratic with trainable public coefficients, then recovers."""

    info = MethodInfo(
        name="gelu_substitution",
        version="1",
        summary="GELU becomes a quadratic fitted per layer",
        paper="after Li et al., ICLR 2023 (MPCFormer's Quad), coefficients fitted here",
        bibtex=(
            "@inproceedings{li2023mpcformer, title={{MPCFormer}: Fast, Performant and Private Transformer Inference "
            "with {MPC}}, author={Li, Dacheng and Shao, Rulin and Wang, Hongyi and Guo, Han and Xing, Eric P and "
            "Zhang, Hao}, booktitle={ICLR}, year={2023}}"
        ),
        variants=(Variant("quadratic"),),
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Replace the GELU of every layer and train back."""
        student = dense.rebuilt(dense.architecture.with_layers(activation="quadratic"))
        with torch.no_grad():
            for layer, values in zip(
                student.layer_weights, pre_activations(dense, data.selection, data.pad_id), strict=True
            ):
                layer["activation_coefficients"].copy_(fit_quadratic(values))
        return recover(student, dense, data, budget)


@torch.no_grad()
def pre_activations(model: Model, split: Split, pad_id: int, seed: int = 0) -> list[np.ndarray]:
    """Return a random sample of each layer's GELU inputs over the tokens of ``split``, padding left out."""
    seen: dict[str, list[np.ndarray]] = {}
    rng = np.random.default_rng(seed)
    for batch in ordered(split, EVALUATION_BATCH, pad_id):
        keep = batch.keep.bool()

        def see(operator: str, value: torch.Tensor, keep: torch.Tensor = keep) -> None:
            sample = rng.choice(value[keep].flatten().numpy(), SAMPLES_PER_BATCH)
            seen.setdefault(operator, []).append(sample)

        model(batch.input_ids, batch.token_type_ids, batch.keep, PreActivations(see))
    return [np.concatenate(seen[f"layer{i}.activation"]) for i in range(len(model.layers))]


def fit_quadratic(values: np.ndarray) -> torch.Tensor:
    """Return c0, c1, c2 of the least-squares quadratic to GELU at the given inputs."""
    goal = functional.gelu(torch.from_numpy(values)).numpy()
    return torch.tensor(Polynomial.fit(values, goal, 2).convert().coef, dtype=torch.float32)
