"""The accuracy table: one row per task, method and variant."""

from __future__ import annotations

import pandas as pd

from pibench.results import notes
from pibench.results.evidence import Evidence
from pibench.results.render import ROW, Column, Table, or_status

_COLUMNS = [
    Column("task", "task"),
    *ROW,
    Column("metric", "metric"),
    Column("float", "float", 1),
    Column("float_sd", "sd over seeds", 2),
    Column("fixed", "fixed point", 1),
    Column("mpc", "MPC", 1),
    Column("float_on_subset", "float on the MPC subset", 1),
    Column("labels_agree", "same label", 0),
    Column("logit_difference", "largest logit difference", 3),
    Column("n", "n", 0),
    Column("n_mpc", "n MPC", 0),
    Column("wraps", "wraps", 0),
    Column("majority", "majority", 1),
    Column("seeds", "seeds", 0),
]


def scores(evidence: Evidence) -> pd.DataFrame:
    """Return the numbers of each task and row over its seeds; only ``seeds`` where a seed is not ok.

    Means in percent: ``float``, ``fixed``, ``mpc``, ``float_on_subset`` and ``majority``, the middle three over the
    seeds that have one; ``float_sd`` is the sample standard deviation. Sums: ``labels_agree``, ``n_mpc`` and ``wraps``.
    """
    keys = ["task", "row", "method", "variant"]
    found = evidence.accuracy.groupby(keys, observed=True).agg(
        metric=("metric", "first"),
        status=("status", "min"),
        float=("float", "mean"),
        float_sd=("float", "std"),
        fixed=("fixed", "mean"),
        mpc=("mpc", "mean"),
        float_on_subset=("float_on_subset", "mean"),
        labels_agree=("labels_agree", _total),
        logit_difference=("max_logit_difference", "max"),
        n=("n", "first"),
        n_mpc=("n_mpc", "sum"),
        wraps=("truncation_wraps", _total),
        majority=("majority", "mean"),
        seeds=("seed", "size"),
    )
    numbers = found.columns.drop(["metric", "status", "seeds"])
    return found.assign(**found[numbers].where(found["status"] == "ok")).reset_index()


def _total(counts: pd.Series) -> float:
    """Return the sum; NaN where nothing was counted."""
    return counts.sum(min_count=1)


def score_by_task(evidence: Evidence) -> pd.DataFrame:
    """Return each row's mean float score, one column per task, or the worst status where a seed is not ok."""
    found = scores(evidence)
    shown = found.assign(float=or_status(found["float"], found["status"]))
    by_task = shown.pivot(index="row", columns="task", values="float")
    return by_task.set_axis(by_task.columns.astype(str), axis="columns")


def accuracy(evidence: Evidence) -> Table:
    """Return one row per task, method and variant: float, fixed-point and MPC scores in percent."""
    frame = scores(evidence)
    frame = frame.assign(float=or_status(frame["float"], frame["status"]))
    about = [
        "Scores are percent, mean over seeds; same label (float and MPC predict alike), n MPC and wraps are sums over "
        "seeds. MPC scores, and the float scores beside them, are over the seeds that ran under MPC.",
        "Wraps are elements corrupted by fixed-point truncation; batches with a wrap are left out of the largest "
        "logit difference between float and MPC.",
        "Under MPC each example is padded to the longest of its batch.",
        "Fixed point emulates the engine's rounding and wraps on the whole validation split, without parties.",
        *notes.precision(evidence),
        *notes.domains(evidence),
        *notes.training_speed(evidence),
        *notes.provenance(evidence),
        *notes.reasons(evidence.accuracy["record"]),
    ]
    title = notes.title(evidence, "Accuracy in float, fixed point and MPC")
    return Table("accuracy", title, frame, _COLUMNS, about)
