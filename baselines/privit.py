"""In the style of PriViT: a switch on each softmax and GELU, under a growing penalty, learns which ones stay."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from pibench.methods.contract import MethodInfo, Variant
from pibench.methods.surgery.fuse import fuse_ffn
from pibench.model.architecture import Architecture
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.primitives import Denominator
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import Regulariser, recover

SQUARE = "power2_length"
"""Its coefficient starts at 0, where it is PriViT's attention: the square over the number of keys."""
SPEED = 100.0
"""How much faster a switch moves than a weight, since it has one epoch here and hundreds in PriViT."""
FIRST_PENALTY, PENALTY_GROWTH = 10.0, 1e4
"""The penalty of an open switch at the start, and its growth over the search; our choice."""


class PriViT:
    """Half of the layers keep their softmax, and half their GELU; the others get a square and the identity.

    PriViT switches each head and token of a vision transformer. FFNs without a GELU are then merged into one matrix,
    which changes nothing but the cost.
    """

    info = MethodInfo(
        name="privit",
        version="2",
        summary="by layer, learned switches choose which softmaxes and GELUs become polynomial",
        paper="Dhyani et al., TMLR 2024",
        bibtex=(
            "@article{dhyani2024privit, title={{PriViT}: Vision Transformers for Private Inference}, author={Dhyani, "
            "Naren and Mo, Jianqiao Cambridge and Yubeaton, Patrick and Cho, Minsu and Joshi, Ameya and Garg, "
            "Siddharth and Reagen, Brandon and Hegde, Chinmay}, journal={TMLR}, year={2024}}"
        ),
        variants=(Variant("half of each"),),
        reported={"accuracy": "better than MPCViT's at equal latency; vision transformers, SEMI2K on SPU"},
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Learn the switches for one epoch, set them, and train the model back for the rest of the budget."""
        student, layers = copy.deepcopy(dense), len(dense.layers)
        examples = budget.epoch(len(data.train))
        switches = Switches(layers, layers // 2, steps=-(-examples // budget.batch_size))
        recover(student, dense, data, budget, switches, examples)
        kept = {kind: switches.kept(kind) for kind in switches.opened}
        student = student.rebuilt(switched(dense.architecture, kept))
        with torch.no_grad():
            for offset in student.unset().values():
                offset.zero_()
        model = fuse_ffn(recover(student, dense, data, budget))
        model.notes = {"switches": {kind: switches.gates(kind).tolist() for kind in kept}, "kept": kept}
        return model


def switched(dense: Architecture, kept: Mapping[str, list[int]]) -> Architecture:
    """Return the architecture in which the layers ``kept`` of each kind keep their softmax or GELU."""
    layers = tuple(
        replace(
            layer,
            softmax=layer.softmax if index in kept["softmax"] else SQUARE,
            activation=layer.activation if index in kept["gelu"] else "identity",
        )
        for index, layer in enumerate(dense.layers)
    )
    return replace(dense, layers=layers)


class Switches(Regulariser):
    """A switch in [0, 1] on each layer's softmax and GELU; its penalty grows until at most ``keep`` are open."""

    def __init__(self, layers: int, keep: int, steps: int) -> None:
        super().__init__()
        self._keep, self._growth = keep, PENALTY_GROWTH ** (1 / steps)
        self.opened = nn.ParameterDict({kind: torch.full((layers,), 1 / SPEED) for kind in ("softmax", "gelu")})
        self._penalty = dict.fromkeys(self.opened, FIRST_PENALTY)

    def gates(self, kind: str) -> torch.Tensor:
        """Return the switches of ``softmax`` or ``gelu``, one a layer."""
        return (SPEED * self.opened[kind]).clamp(0, 1)

    def kept(self, kind: str) -> list[int]:
        """Return the layers whose switches are open widest."""
        return sorted(self.opened[kind].detach().topk(self._keep).indices.tolist())

    def interpreter(self, dropout: float) -> TorchInterpreter:
        return _Switched({kind: self.gates(kind) for kind in self.opened}, dropout)

    def forward(self, ops: TorchInterpreter) -> torch.Tensor:
        total = torch.zeros(())
        for kind, opened in self.opened.items():
            if int((self.gates(kind) > 0.5).sum()) > self._keep:
                self._penalty[kind] *= self._growth
                total = total + self._penalty[kind] * SPEED * opened.abs().sum()
        return total


class _Switched(TorchInterpreter):
    """Mixes softmax with a square and GELU with the identity, by each layer's switches."""

    def __init__(self, gates: Mapping[str, torch.Tensor], dropout: float) -> None:
        super().__init__(dropout)
        self._gates = gates

    def _gate(self, kind: str) -> torch.Tensor:
        return self._gates[kind][int(self.operator.partition(".")[0].removeprefix("layer"))]

    def softmax(self, scores: torch.Tensor, keep: torch.Tensor) -> tuple[torch.Tensor, Denominator | None]:
        exact, _ = super().softmax(scores, keep)
        square, _ = SOFTMAX[SQUARE](self, scores, keep, torch.zeros(scores.shape[1], device=scores.device))
        gate = self._gate("softmax")
        return gate * exact + (1 - gate) * square, None

    def gelu(self, a: torch.Tensor) -> torch.Tensor:
        gate = self._gate("gelu")
        return gate * super().gelu(a) + (1 - gate) * a
