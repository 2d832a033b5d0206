"""IG-3D as a method of the suite: a reconstruction from the paper's public abstract, not the authors' code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from ig3d.search import Search
from ig3d.sensitivity import Losses, measure
from ig3d.stability import stability
from ig3d.threshold import DIMENSIONS, separate_trajectories, trajectory
from pibench.methods.contract import MethodInfo, Variant
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget

VERSION = "3"
BIBTEX = (
    "@article{sun2026ig3d, title={{IG-3D}: Integrated-Gradients 3D Optimization for Private Transformer Inference}, "
    "author={Sun, Lei and Wang, Jingwen and Hu, Peng and Mao, Xiuqing and Hu, Cuiyun and Wang, Zhihong}, "
    "journal={Computers, Materials \\& Continua}, volume={87}, number={2}, year={2026}, "
    "doi={10.32604/cmc.2026.073657}}"
)

TOLERANCE = 2.3
ABLATIONS = (
    *(
        Variant("+".join(dimensions), {"tolerance": TOLERANCE, "dimensions": dimensions})
        for count in (1, 2, 3)
        for dimensions in combinations(DIMENSIONS, count)
    ),
    Variant("separate thresholds", {"tolerance": TOLERANCE, "joint": False}),
    Variant("importance: taylor", {"tolerance": TOLERANCE, "importance": "taylor"}),
    Variant("importance: random", {"tolerance": TOLERANCE, "importance": "random"}),
)


class IG3D:
    """Heads, softmax and GELU under one threshold, at the paper's tolerance and at a tighter one."""

    info = MethodInfo(
        name="ig3d",
        version=VERSION,
        summary="heads pruned, softmax and GELU made polynomial under one threshold (reconstruction)",
        paper="Sun et al., CMC 2026 (reconstructed from the abstract)",
        bibtex=BIBTEX,
        variants=(
            Variant("within_2.3", {"tolerance": TOLERANCE}),
            Variant("within_1.0", {"tolerance": 1.0}),
        ),
        reported={
            "latency": "2.9x, average over GLUE; model, engine and network are not in the abstract",
            "communication": "50 % less",
            "accuracy": "at most 2.3 % lost",
        },
        ablations=ABLATIONS,
    )

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        """Search for the cheapest model within the variant's tolerance, and recover it."""
        options = {"dimensions": DIMENSIONS, **variant.options}
        return compress_by(dense=dense, data=data, budget=budget, **options)

    def importance_study(self, dense: Sequence[Model], data: Sequence[TaskData]) -> list[dict[str, Any]]:
        """Return how stable each importance is, for dense models of one task that differ in their seed."""
        return stability(dense, data)


def compress_by(
    dimensions: Sequence[str],
    dense: Model,
    data: TaskData,
    budget: Budget,
    tolerance: float,
    importance: str = "integrated_gradients",
    joint: bool = True,
) -> Model:
    """Compress ``dense`` along some of the three dimensions; every baseline of one dimension is this function.

    Without ``joint`` each dimension has a separate threshold, and gives up the same share of what it can save by
    itself.
    """
    key = [VERSION, data.fingerprint, dense.fingerprint(), list(dimensions), importance, asdict(budget), data.seq_len]
    made = data.cache.cached("losses", key, lambda: asdict(measure(dense, data, dimensions, importance, budget.seed)))
    steps = (trajectory if joint else separate_trajectories)(dense.architecture, Losses(**made), data.seq_len)
    return Search(dense, data, budget, steps, [*key, joint]).within(tolerance)
