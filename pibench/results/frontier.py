"""Which rows are worth choosing: what each loses, how sure that is, and which other row beats it.

A difference in loss that the data do not carry is a tie: it puts no row ahead of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pibench.results.evidence import Evidence
from pibench.results.frames import REFERENCE
from pibench.results.paired import mean_replicates
from pibench.results.resampling import LEVEL, holm, interval, p_value

CONTROL = "dense/trained on"
"""The dense model, trained as long again as every compressed one."""
FRONTIER = (
    "Frontier: yes if no other row beats this one, otherwise a row that does. A row beats another if it sends no more "
    "bytes in no more rounds, and fewer of one, and does not lose more; or if it costs no more and loses less. The "
    "loss is that in floats or in fixed point, whichever is larger."
)
TIES = (
    "Intervals are 95 %, by a bootstrap over validation examples and seeds. Two losses are a tie unless the bootstrap "
    "tells them apart at 5 %, after Holm's correction for all pairs of rows."
)
NO_INTERVALS = (
    "These records hold no outputs, so that losses have no intervals and are compared by their means: half a point at "
    "one seed is noise."
)
COSTS = ["megabytes", "rounds"]


@dataclass(frozen=True)
class Drawn:
    """Bootstrap replicates (draws, rows) of losses, means over tasks; empty where records hold no outputs.

    ``loss`` and ``fixed`` are in floats and in fixed point, ``control`` is against the control; ``counted`` is the
    larger of the first two, or the first where a row has no fixed point.
    """

    loss: pd.DataFrame
    fixed: pd.DataFrame
    control: pd.DataFrame

    @property
    def counted(self) -> pd.DataFrame:
        """The replicates of the counted loss."""
        return np.maximum(self.loss, self.fixed.reindex_like(self.loss).fillna(self.loss))


def drawn_losses(evidence: Evidence, tasks: Sequence[str]) -> Drawn:
    """Return the replicates of what each row of comparable evidence loses on average over ``tasks``."""
    scores, fixed = (mean_replicates(evidence.outputs, tasks, kind) for kind in ("float", "fixed"))
    return Drawn(_lost(scores, REFERENCE), _lost(fixed, REFERENCE), _lost(scores, CONTROL))


def _lost(scores: pd.DataFrame, to: str) -> pd.DataFrame:
    return scores.rsub(scores[to], axis=0) if to in scores else pd.DataFrame()


def intervals(drawn: Drawn) -> pd.DataFrame:
    """Return the 95 % interval of each row's losses, in the columns NAME_low and NAME_high of a summary."""
    rounding = drawn.fixed - drawn.loss if not drawn.fixed.empty else drawn.fixed
    kinds = {"loss": drawn.loss, "loss_fixed": drawn.fixed, "loss_control": drawn.control, "rounding": rounding}
    columns = {}
    for name, losses in (kinds | {"counted_loss": drawn.counted}).items():
        bounds = {row: interval(losses[row].to_numpy()) for row in losses if losses[row].notna().all()}
        for place, end in enumerate(("low", "high")):
            columns[f"{name}_{end}"] = pd.Series({row: bound[place] for row, bound in bounds.items()}, dtype=float)
    return pd.DataFrame(columns)


def with_frontier(frame: pd.DataFrame, drawn: Drawn) -> pd.DataFrame:
    """Return a summary with what each row loses, and which row beats it.

    ``counted_loss`` is the loss in floats or in fixed point, whichever is larger; in floats alone where no fixed point
    was emulated. ``beaten_by`` is the row of the least loss among those that beat it (see :data:`FRONTIER`).
    ``frontier`` names it, or says yes; ``apart`` are the rows whose loss the data tell from this one's. These three are
    missing where a row lacks a number.
    """
    emulated = np.maximum(frame["loss"], frame["loss_fixed"])
    frame = frame.assign(counted_loss=frame["loss"].where(~frame["is_emulated"].astype(bool), emulated))
    points = frame[["counted_loss", *COSTS]].dropna()
    losses, names = points["counted_loss"], points.index.to_list()
    apart = told_apart(losses, drawn.counted)
    best = beaten_by(losses.to_numpy(float), points[COSTS].to_numpy(float), apart)
    words = []
    for own, other in enumerate(best):
        tie = other is not None and not apart[own, other] and losses.iloc[own] != losses.iloc[other]
        words.append("yes" if other is None else f"no: {names[other]}{' (a tie in loss)' if tie else ''}")
    shown = {
        "beaten_by": [None if other is None else names[other] for other in best],
        "frontier": words,
        "apart": [frozenset(np.array(names, dtype=object)[row]) for row in apart],
    }
    return frame.join(pd.DataFrame(shown, index=points.index, dtype=object))


def beaten_by(losses: np.ndarray, costs: np.ndarray, apart: np.ndarray) -> list[int | None]:
    """Return for each row the place of the row of the least loss among those that beat it; None on the frontier.

    ``losses`` has shape (rows,), ``costs`` (rows, kinds), and ``apart`` (rows, rows): see :func:`told_apart`.
    """
    found: list[int | None] = []
    for own in range(len(losses)):
        no_dearer = (costs <= costs[own]).all(axis=1)
        cheaper = no_dearer & (costs < costs[own]).any(axis=1)
        worse, better = apart[own] & (losses > losses[own]), apart[own] & (losses < losses[own])
        beats = np.flatnonzero((cheaper & ~worse) | (no_dearer & better))
        found.append(int(beats[losses[beats].argmin()]) if beats.size else None)
    return found


def told_apart(losses: pd.Series, drawn: pd.DataFrame) -> np.ndarray:
    """Return which pairs of rows differ in loss (rows, rows), by the bootstrap's p-values after Holm's correction.

    A row without replicates differs from every row with another loss.
    """
    size, values = len(losses), losses.to_numpy(float)
    apart = values[:, None] != values[None, :]
    tested = [
        (one, other)
        for one in range(size)
        for other in range(one)
        if losses.index[one] in drawn and losses.index[other] in drawn
    ]
    replicates = {row: drawn[row].to_numpy() for row in losses.index if row in drawn}
    chances = [
        p_value(values[one] - values[other], replicates[losses.index[one]] - replicates[losses.index[other]])
        for one, other in tested
    ]
    for (one, other), chance in zip(tested, holm(np.array(chances)), strict=True):
        apart[one, other] = apart[other, one] = chance < LEVEL
    return apart
