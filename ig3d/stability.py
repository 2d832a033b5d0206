"""Is Integrated Gradients more stable than gradients, as the paper's abstract says? Rank correlations answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from pibench.methods.importance import IMPORTANCE, attributions
from pibench.model.module import Model
from pibench.tasks.data import TaskData


def stability(dense: Sequence[Model], data: Sequence[TaskData]) -> list[dict[str, Any]]:
    """Return a row for each importance: rank correlations between halves of the examples, and between seeds.

    ``dense`` and ``data`` are models of one task and their data, one a seed; examples are of train.
    ``heads`` is the first seed's importance, layer by layer; ``completeness`` is the relative error of Integrated
    Gradients, for the last seed (see :class:`pibench.methods.importance.Attributions`).
    """
    rows = []
    for name, importance in IMPORTANCE.items():
        completeness = None
        scores = []
        for seed, (model, own) in enumerate(zip(dense, data, strict=True)):
            if name == "integrated_gradients":
                found = attributions(model, own.train, own.pad_id, seed)
                completeness = found.completeness_error
                scores.append(found.values.abs())
            else:
                scores.append(importance(model, own.train, own.pad_id, seed))
        means = [values.mean(0) for values in scores]
        rows.append(
            {
                "importance": name,
                "task": data[0].task.name,
                "examples": len(scores[0]),
                "seeds": len(dense),
                "halves": None if _constant(scores[0]) else [x for values in scores for x in half_agreement(values)],
                "between_seeds": [agreement(*pair) for pair in combinations(means, 2)] or None,
                "completeness": completeness,
                "layers": means[0].shape[0],
                "heads": means[0].flatten().tolist(),
            }
        )
    return rows


def _constant(scores: torch.Tensor) -> bool:
    """Say whether all examples have the same scores, so that halves of them agree for no reason."""
    return bool((scores == scores[:1]).all())


def agreement(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return Spearman's rank correlation of two importances of equal shape."""
    return float(spearmanr(first.flatten().numpy(), second.flatten().numpy()).statistic)


def half_agreement(scores: torch.Tensor, seed: int = 0, draws: int = 50) -> list[float]:
    """Return the rank correlations between the importances that random halves of the examples give."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        order = torch.from_numpy(rng.permutation(len(scores)))
        halves = order.tensor_split(2)
        found.append(agreement(*(scores[half].mean(0) for half in halves)))
    return found
