"""Accuracy and cost records that belong together, as one long table of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from pibench.results.frames import REFERENCE, accuracy_frame, cost_frame
from pibench.results.mixtures import refuse_mixtures, refuse_strange_baselines, variant_label
from pibench.results.paired import TaskOutputs
from pibench.results.records import Record
from pibench.tasks.registry import TASKS

INFORMATIVE_MARGIN = 5.0
"""Points by which the dense model must beat the majority class, where records do not hold outputs to test it with."""


@dataclass(frozen=True)
class Evidence:
    """Records that belong together.

    ``accuracy`` has one line for each accuracy record, by task, row and seed, see
    :func:`pibench.results.frames.accuracy_frame`; ``costs`` has one for each cost record, by architecture and engine,
    see :func:`pibench.results.frames.cost_frame`.
    """

    accuracy: pd.DataFrame
    costs: pd.DataFrame

    @property
    def records(self) -> list[Record]:
        """All records, accuracy first."""
        return [*self.accuracy["record"], *self.costs["record"]]

    @property
    def tasks(self) -> list[str]:
        """The tasks present, in GLUE's order, other tasks last."""
        return list(self.accuracy["task"].cat.categories)

    @property
    def rows(self) -> pd.DataFrame:
        """Method and variant of each row: the reference first, then the rest of its method, then by name."""
        named = self.accuracy[["row", "method", "variant"]].drop_duplicates()
        return named.sort_values("row").set_index("row")

    @property
    def costed(self) -> pd.DataFrame:
        """``accuracy`` joined with the cost of the same architecture and engine; lines without a cost are left out."""
        return self.accuracy.merge(self.costs, on=["architecture", "engine"], suffixes=("", "_cost"))

    @property
    def cost_rows(self) -> pd.DataFrame:
        """``costs``, repeated for every row that uses one, with the row's ``tasks``; unused costs come last."""
        keys = ["architecture", "engine"]
        scored = self.accuracy.sort_values(["row", "task", "seed"])
        by_cost = scored.groupby(["row", "method", "variant", *keys], observed=True, sort=False)
        named = by_cost["task"].agg(lambda tasks: ", ".join(tasks.unique())).reset_index(name="tasks")
        rows = self.costs.merge(named.assign(place=range(len(named))), on=keys, how="left")
        return rows.sort_values("place", kind="stable")

    @cached_property
    def outputs(self) -> dict[str, TaskOutputs]:
        """What the rows of each task answered, for the tasks whose reference row has outputs."""
        by_task = {task: TaskOutputs.of(lines) for task, lines in self.accuracy.groupby("task", observed=True)}
        return {str(task): found for task, found in by_task.items() if found is not None}

    @cached_property
    def informative(self) -> list[str]:
        """The tasks on which the dense model is ahead of always giving the most frequent class of the training split.

        It is ahead if the bootstrap over examples and seeds tells the two apart. Where records hold no outputs, it must
        be ahead by :data:`INFORMATIVE_MARGIN`. A null majority score counts as 0. Tasks that are not to be averaged,
        such as WNLI, are left out.
        """
        averaged = [task for task in self.tasks if task not in TASKS or TASKS[task].averaged]
        dense = self.accuracy[(self.accuracy["row"] == REFERENCE) & self.accuracy["task"].isin(averaged)]
        ahead = dense.assign(majority=dense["majority"].fillna(0.0)).groupby("task", observed=True)
        mean = ahead[["float", "majority"]].agg(strict_mean)
        margin = mean["float"] - mean["majority"]
        told = [
            self.outputs[task].beats_constant(mean["majority"][task])
            if task in self.outputs
            else more >= INFORMATIVE_MARGIN
            for task, more in margin.items()
        ]
        return list(mean.index[np.array(told, dtype=bool) & (margin > 0)])

    @property
    def averaged(self) -> list[str]:
        """The tasks that means are taken over: the informative ones, or all if there are none."""
        return self.informative or self.tasks

    @cached_property
    def comparable(self) -> Evidence:
        """The same evidence, with only those seeds of each task that all rows of the task have.

        If no seed is common to all rows, the seed that most rows have is kept. Failed records are always kept.
        """
        kept = {(task, seed) for task, own in self.accuracy.groupby("task", observed=True) for seed in _common(own)}
        cells = zip(self.accuracy["task"], self.accuracy["seed"], self.accuracy["status"], strict=True)
        return self.only([(task, seed) in kept or status in ("failed", "timeout") for task, seed, status in cells])

    def only(self, wanted: Sequence[bool]) -> Evidence:
        """Return the same evidence without the accuracy records whose entry in ``wanted`` is False."""
        kept = self.accuracy.loc[list(wanted)]
        present = {name: kept[name].cat.remove_unused_categories() for name in ("row", "task")}
        return replace(self, accuracy=kept.assign(**present))


def strict_mean(values: pd.Series) -> float:
    """Return the mean; NaN where there is no value, or one is missing."""
    return values.mean(skipna=False)


def _common(of_task: pd.DataFrame) -> set[int]:
    """Return the seeds that all rows of one task have, or if there is none, the one that most rows have."""
    by_row = [set(own) for _, own in of_task.groupby("row", observed=True)["seed"]]
    counts = Counter(seed for seeds in by_row for seed in sorted(seeds))
    return set.intersection(*by_row) or {counts.most_common(1)[0][0]}


def join(records: Iterable[Record]) -> Evidence:
    """Return the evidence that ``records`` make, independent of their order; studies are left out.

    Raises:
        InputError: two records do not belong in one table, which it names.
    """
    by_kind: dict[str, list[Record]] = {"accuracy": [], "cost": [], "study": []}
    for record in records:
        by_kind[record["kind"]].append(record)
    accuracy = sorted(by_kind["accuracy"], key=lambda r: (r["task"], r["method"], variant_label(r), r["seed"]))
    costs = sorted(by_kind["cost"], key=lambda r: (r["architecture"], r["engine"]))
    refuse_mixtures(accuracy, costs, by_kind["study"])
    frame = accuracy_frame(accuracy)
    dense = set(frame["architecture"][frame["row"] == REFERENCE].dropna())
    dense = dense or {cost["baseline"]["architecture"] for cost in costs if cost["baseline"]}
    refuse_strange_baselines(costs, dense)
    return Evidence(frame, cost_frame(costs, dense))
