"""SHAFT: softmax in a constant number of rounds and a Fourier GELU, without training."""

from __future__ import annotations

from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget


class Shaft:
    """The dense model with SHAFT's operators on our engine, whose comparison is not SHAFT's."""

    info = MethodInfo(
        name="shaft",
        version="1",
        summary="softmax by sixteen steps of an ODE, GELU by ReLU and eight sines; the dense weights as they are",
        paper="Kei & Chow, NDSS 2025",
        bibtex=(
            "@inproceedings{kei2025shaft, title={{SHAFT}: Secure, Handy, Accurate and Fast Transformer Inference}, "
            "author={Kei, Andes Y. L. and Chow, Sherman S. M.}, booktitle={NDSS}, year={2025}}"
        ),
        variants=(Variant("no training"),),
        reported={
            "communication": "25 % to 41 % less than the compared systems",
            "latency": "4.6x to 5.3x (LAN), 2.9x to 4.4x (WAN) over BumbleBee",
        },
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Return the dense weights with other operators."""
        return dense.rebuilt(dense.architecture.with_layers(activation="shaft", softmax="ode")).eval()
