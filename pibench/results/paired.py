"""What the rows of one task answered on the same examples, and how sure differences between their scores are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pibench.results.frames import REFERENCE
from pibench.results.outputs import Outputs, divergence, fidelity
from pibench.results.resampling import LEVEL, p_value, replicates
from pibench.tasks.metrics import answers, score
from pibench.tasks.task import Task

KINDS = ("float", "fixed")
"""The two ways in which a row's answers are computed."""


@dataclass(frozen=True)
class TaskOutputs:
    """The outputs of a task's rows at the seeds of the reference row; rows without all of them are left out.

    ``outputs`` maps each row to its :class:`Outputs`, seed by seed.
    """

    task: Task
    outputs: dict[str, list[Outputs]]

    @classmethod
    def of(cls, lines: pd.DataFrame) -> TaskOutputs | None:
        """Return the outputs in lines of the accuracy frame of one task; None if the reference row has none."""
        kept: dict[str, dict[int, Outputs]] = {}
        for line in lines[lines["status"] == "ok"].itertuples(index=False):
            if packed := line.record.get("outputs"):
                kept.setdefault(line.row, {})[line.seed] = Outputs.unpacked(packed, line.record["n"])
        if REFERENCE not in kept:
            return None
        seeds = sorted(kept[REFERENCE])
        whole = {row: [own[seed] for seed in seeds] for row, own in kept.items() if own.keys() >= set(seeds)}
        record = lines["record"].iloc[0]
        columns = whole[REFERENCE][0].float.shape[1]
        return cls(Task(record["task"], ("text",), columns, tuple(record["metric"].split("+"))), whole)

    @property
    def labels(self) -> np.ndarray:
        """The labels of the examples (examples,)."""
        return self.outputs[REFERENCE][0].labels

    @cached_property
    def replicates(self) -> dict[str, pd.DataFrame]:
        """Bootstrap replicates of each row's score in percent, (draws, rows), in floats and in fixed point."""
        return {kind: self._replicates(kind) for kind in KINDS}

    def _replicates(self, kind: str) -> pd.DataFrame:
        logits = {row: [getattr(one, kind) for one in own] for row, own in self.outputs.items()}
        there = {row: own for row, own in logits.items() if all(values is not None for values in own)}
        if not there:
            return pd.DataFrame()
        given = np.array([[answers(self.task, own[seed]) for own in there.values()] for seed in range(self._seeds)])
        return pd.DataFrame(replicates(self.task, self.labels, given), columns=list(there))

    @property
    def _seeds(self) -> int:
        return len(self.outputs[REFERENCE])

    def beats_constant(self, majority: float) -> bool:
        """Whether the data tell the reference row from the constant answer whose score is ``majority`` in percent."""
        constants = [np.full(self.labels.shape, label) for label in np.unique(self.labels)]
        constant = min(constants, key=lambda one: abs(score(self.task, one, self.labels)["score"] - majority))
        given = [[answers(self.task, one.float), constant.astype(one.labels.dtype)] for one in self.outputs[REFERENCE]]
        drawn = replicates(self.task, self.labels, np.array(given))
        point = np.mean([score(self.task, own, self.labels)["score"] for own, _ in given]) - majority
        return bool(point > 0 and p_value(float(point), drawn[:, 0] - drawn[:, 1]) < LEVEL)

    def likeness(self) -> pd.DataFrame:
        """Return each row's ``fidelity`` in percent and ``divergence``, means over seeds (see :mod:`outputs`)."""
        dense = self.outputs[REFERENCE]
        found: dict[str, dict[str, Any]] = {}
        for row, own in self.outputs.items():
            pairs = [(one.float, other.float) for one, other in zip(own, dense, strict=True)]
            found[row] = {
                "fidelity": np.mean([fidelity(self.task, *pair) for pair in pairs]),
                "divergence": np.mean([divergence(self.task, *pair) for pair in pairs]),
            }
        return pd.DataFrame.from_dict(found, orient="index", columns=["fidelity", "divergence"])


def mean_replicates(outputs: dict[str, TaskOutputs], tasks: Sequence[str], kind: str) -> pd.DataFrame:
    """Return replicates (draws, rows) of each row's score, its mean over ``tasks``; rows that lack a task are left out.

    Empty where a task has no outputs.
    """
    if not tasks or not all(task in outputs for task in tasks):
        return pd.DataFrame()
    frames = [outputs[task].replicates[kind] for task in tasks]
    common = [row for row in frames[0].columns if all(row in frame.columns for frame in frames)]
    return sum((frame[common] for frame in frames[1:]), frames[0][common]) / len(frames)
