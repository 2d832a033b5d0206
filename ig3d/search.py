"""The search along the trajectory: continue while accuracy recovers, and choose a model that recovers far enough.

Moves are made in stages, in the order of their price. After each stage the model is recovered briefly, so that it is
converted step by step and never far from one that works. Then stages are recovered in full, the cheapest first, until
one is within the tolerance on the selection split, and finally a point halfway between it and the next cheaper stage,
which was not. The price of the chosen model is tau.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ig3d.threshold import ModelPlan, Step, cut, megabytes, unchanged_plan
from pibench.methods.surgery.activation import with_activation
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.pruning import prune_heads
from pibench.methods.surgery.softmax import with_softmax
from pibench.methods.trajectory import Move, Point, Trajectory
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover
from pibench.training.stages import cached_model
from pibench.training.tune import selection_score

STAGES = (0.7, 0.8, 0.86, 0.9, 0.93, 0.96)
"""Shares of what the trajectory can save at which a stage ends."""
STAGE_PART = 8
"""A stage spends one part in so many of the budget on its recovery: all stages together three quarters."""
PATIENCE = 10.0
"""Points that a stage may lose after its short recovery before the search stops; a full one regains most of them."""


@dataclass(frozen=True)
class Stage:
    """Where a stage ended: the last move, the model after a short recovery, and its score on the selection split."""

    step: Step
    model: Model
    score: float

    def report(self) -> Point:
        """Return the numbers of the stage."""
        return Point(self.step.tau, self.step.loss, self.step.megabytes, self.score)


class Search:
    """Follows the trajectory ``steps`` from ``dense``; trained models are cached under ``key``."""

    def __init__(self, dense: Model, data: TaskData, budget: Budget, steps: Sequence[Step], key: Any) -> None:
        self._dense, self._data, self._budget, self._steps, self._key = dense, data, budget, steps, key
        self.dense_score = selection_score(dense, data)

    def within(self, tolerance: float) -> Model:
        """Return the cheapest model that loses no more than ``tolerance`` points, or else the best one, recovered.

        The model's notes hold the :class:`Trajectory`.
        """
        stages = self._walked()
        tried: list[Stage] = []
        for index in reversed(range(len(stages))):
            tried.append(self._recovered(stages[index], index))
            if self._loss(tried[-1]) <= tolerance:
                tried += self._halfway(stages, index)
                break
        good = [stage for stage in tried if self._loss(stage) <= tolerance]
        chosen = min(good, key=lambda stage: stage.step.megabytes) if good else min(tried, key=self._loss)
        chosen.model.notes = Trajectory(
            self.dense_score,
            tolerance,
            chosen.report(),
            tuple(stage.report() for stage in stages),
            tuple(stage.report() for stage in tried),
            tuple(Move(s.layer, s.dimension, s.to, s.tau, s.loss, s.megabytes) for s in self._steps),
        ).notes()
        return chosen.model

    def _loss(self, stage: Stage) -> float:
        return round(self.dense_score - stage.score, 6)

    def _walked(self) -> list[Stage]:
        """Return the stages up to the first that loses more than :data:`PATIENCE` points."""
        stages: list[Stage] = []
        for stage in self._walk():
            stages.append(stage)
            if self._loss(stage) > PATIENCE:
                break
        return stages

    def _walk(self) -> Iterator[Stage]:
        dense, data, budget = self._dense, self._data, self._budget
        start, end = megabytes(dense.architecture, data.seq_len), self._steps[-1].megabytes
        examples = budget.allowance(len(data.train)) // STAGE_PART
        model, plan = dense, unchanged_plan(dense.architecture)
        for share in STAGES:
            step = cut(self._steps, start - share * (start - end))
            if step.plan == plan:
                continue

            def make(model: Model = model, old: ModelPlan = plan, new: ModelPlan = step.plan) -> Model:
                return recover(advance(model, old, new, data, budget.seed), dense, data, budget, examples=examples)

            model, plan = self._cached(f"stage-{share:g}", make), step.plan
            yield Stage(step, model, selection_score(model, data))

    def _recovered(self, stage: Stage, index: int) -> Stage:
        """Return a stage recovered with what it has left of the budget."""
        return self._finished(f"recovered-{index}", stage.step, partial(copy.deepcopy, stage.model))

    def _halfway(self, stages: Sequence[Stage], index: int) -> list[Stage]:
        """Return the point between a stage and the next cheaper one, if there is one, recovered in full."""
        if index + 1 == len(stages):
            return []
        stage, cheaper = stages[index], stages[index + 1]
        step = cut(self._steps, (stage.step.megabytes + cheaper.step.megabytes) / 2)
        if step.plan in (stage.step.plan, cheaper.step.plan):
            return []
        start = partial(advance, stage.model, stage.step.plan, step.plan, self._data, self._budget.seed)
        return [self._finished(f"halfway-{index}", step, start)]

    def _finished(self, name: str, step: Step, start: Callable[[], Model]) -> Stage:
        """Return the model that ``start`` makes, recovered with what it has left of the budget."""
        model = self._cached(name, lambda: recover(start(), self._dense, self._data, self._budget))
        return Stage(step, model, selection_score(model, self._data))

    def _cached(self, name: str, make: Callable[[], Model]) -> Model:
        return cached_model(self._data.cache, name, self._key, self._dense, make)


def advance(model: Model, old: ModelPlan, new: ModelPlan, data: TaskData, seed: int) -> Model:
    """Convert a copy of ``model`` from plan ``old`` to plan ``new``, from the first layer on, fitted on train."""
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        if before.heads != after.heads:
            stay = [torch.ones(layer.heads, dtype=torch.bool) for layer in model.architecture.layers]
            stay[index] = torch.tensor([head in after.heads for head in before.heads])
            model = prune_heads(model, stay)
        if before.softmax != after.softmax:
            model = with_softmax(model, index, after.softmax, observe(model, data.train, data.pad_id, seed))
        if before.activation != after.activation:
            seen = observe(model, data.train, data.pad_id, seed)
            model = with_activation(model, index, after.activation, seen)
    return model
