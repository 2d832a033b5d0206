"""One line for each method and variant: what it scores and loses, what it costs, and whether another beats it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pibench.engines.security import in_words
from pibench.results.evidence import Evidence, strict_mean
from pibench.results.frames import REFERENCE, SECONDS, SPEEDUPS
from pibench.results.frontier import CONTROL, drawn_losses, intervals, with_frontier
from pibench.results.records import Record
from pibench.results.render import or_status

_COSTS = ["megabytes", "rounds", "reduction", *SPEEDUPS]


def summary(evidence: Evidence, tasks: Sequence[str]) -> pd.DataFrame:
    """Return means over ``tasks`` for each row of comparable evidence, from the best row to the worst.

    The index is the row, METHOD/VARIANT, in the order of the evidence. A number is missing where the row lacks one
    task, or one number of it. The columns:

    - ``method``, ``variant``, ``seeds`` (a number, or the least and the most where tasks differ) and ``security``.
    - ``average``, ``fixed``, ``float_on_subset`` and ``mpc`` in percent, and ``n_mpc``, the examples under MPC;
      ``trained_on`` and ``searched``, thousands of training examples (see :mod:`pibench.results.frames`).
    - ``loss`` and ``loss_fixed``: points lost to the dense model of the same seeds, in floats and in fixed point;
      ``loss_control``: to the dense model that was trained on; ``rounding``: by fixed point alone. Each has its 95 %
      interval in ``_low`` and ``_high``, where records hold outputs.
    - ``fidelity`` and ``divergence``: how like the dense model a row answers (see :mod:`pibench.results.outputs`).
    - ``megabytes``, ``rounds``, ``seconds_LINK``, and, as geometric means, ``reduction`` and ``speedup_LINK``;
      ``cost_status`` is the worst status of the costs.
    - ``offline`` and ``offline_gigabytes``: who provides the offline phase, and what it would send.
    - ``counted_loss``, ``beaten_by`` and ``frontier``, see :mod:`pibench.results.frontier`.

    Without an informative task all losses are missing, and the frontier with them: nobody can lose to a guess.
    """
    parts = (_descriptions(evidence), _scores(evidence, tasks), _losses(evidence, tasks), _costs(evidence, tasks))
    frame, drawn = evidence.rows.join(list(parts)), drawn_losses(evidence, tasks)
    frame = frame.join([intervals(drawn), _likeness(evidence, tasks)])
    if not evidence.informative:
        frame = frame.assign(**dict.fromkeys([name for name in frame if name.startswith(("loss", "rounding"))], np.nan))
    return ranked(with_frontier(frame, drawn))


def over_tasks(lines: pd.DataFrame, columns: Sequence[str], tasks: Sequence[str]) -> pd.DataFrame:
    """Return each row's mean within each of ``tasks``, then over them; NaN where a task or a value is missing."""
    within = lines.assign(task=lines["task"].cat.set_categories(tasks)).groupby(["row", "task"], observed=False)
    return within[list(columns)].agg(strict_mean).groupby("row", observed=False).agg(strict_mean)


def with_statuses(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a summary in which the status of the costs, where it is not ok, replaces totals and speed-ups."""
    return frame.assign(**or_status(frame[_COSTS], frame["cost_status"]))


def _descriptions(evidence: Evidence) -> pd.DataFrame:
    """Return the seeds of each row, its security, and whether it was emulated in fixed point."""
    lines = evidence.accuracy.assign(
        security=[_security(record) for record in evidence.accuracy["record"]],
        is_emulated=evidence.accuracy["fixed"].notna(),
    )
    by_row = lines.groupby("row", observed=True)
    counts = lines.groupby(["row", "task"], observed=True).size().groupby("row", observed=True).agg(["min", "max"])
    seeds = [low if low == high else f"{low} to {high}" for low, high in counts.itertuples(index=False, name=None)]
    return pd.DataFrame(
        {
            "seeds": pd.Series(seeds, counts.index, dtype=object),
            "security": by_row["security"].first(),
            "is_emulated": by_row["is_emulated"].any(),
        }
    )


def _security(record: Record) -> str | None:
    """Return adversary, parties and dealer in a few words; None where nothing ran between parties."""
    return in_words(record["security"]) if record["security"] else None


def _scores(evidence: Evidence, tasks: Sequence[str]) -> pd.DataFrame:
    """Return mean scores; those under MPC, and the float scores beside them, are over the seeds that ran under MPC."""
    lines = evidence.accuracy
    under_mpc = over_tasks(lines[lines["n_mpc"] > 0], ["float_on_subset", "mpc"], tasks)
    means = over_tasks(lines, ["float", "fixed", "trained_on", "searched"], tasks)
    scores = means.rename(columns={"float": "average"}).join(under_mpc)
    examples = lines[lines["task"].isin(tasks)].groupby("row", observed=False)["n_mpc"].sum()
    return scores.assign(n_mpc=examples).where(scores["average"].notna())


def _losses(evidence: Evidence, tasks: Sequence[str]) -> pd.DataFrame:
    lines = evidence.accuracy
    dense = lines[lines["row"] == REFERENCE][["task", "seed", "float", "fixed"]]
    pairs = lines.merge(dense, on=["task", "seed"], how="left", suffixes=("", "_dense"))
    lost = pairs.assign(loss=pairs["float_dense"] - pairs["float"], loss_fixed=pairs["fixed_dense"] - pairs["fixed"])
    found = over_tasks(lost, ["loss", "loss_fixed"], tasks)
    control = found["loss"].get(CONTROL, np.nan)
    return found.assign(loss_control=found["loss"] - control, rounding=found["loss_fixed"] - found["loss"])


def _likeness(evidence: Evidence, tasks: Sequence[str]) -> pd.DataFrame:
    """Return each row's fidelity and divergence, means over ``tasks``; missing where outputs are."""
    frames = [evidence.outputs[task].likeness() for task in tasks if task in evidence.outputs]
    if len(frames) < len(tasks) or not frames:
        return pd.DataFrame(columns=["fidelity", "divergence"], dtype=float)
    return pd.concat(frames).groupby(level=0).agg(lambda own: own.mean() if len(own) == len(tasks) else np.nan)


def _costs(evidence: Evidence, tasks: Sequence[str]) -> pd.DataFrame:
    """Return mean costs over the tasks in which no seed failed."""
    lines = evidence.costed[evidence.costed["task"].isin(tasks)]
    unfinished = evidence.accuracy[evidence.accuracy["status"] != "ok"]
    failed = set(zip(unfinished["row"], unfinished["task"], strict=True))
    lines = lines.loc[[key not in failed for key in zip(lines["row"], lines["task"], strict=True)]]
    ratios = ["byte_ratio", *SPEEDUPS]
    logarithms = lines.assign(**np.log(lines[ratios]))
    costs = over_tasks(lines, ["megabytes", "rounds", *SECONDS, "offline_gigabytes"], tasks)
    costs = costs.join(np.exp(over_tasks(logarithms, ratios, tasks)))
    by_row = lines.groupby("row", observed=False)
    offline = "not counted: " + by_row["offline_source"].first()
    return costs.assign(
        reduction=100 * (1 - costs["byte_ratio"]),
        cost_status=by_row["status_cost"].min(),
        offline=offline.where(costs["offline_gigabytes"].notna()),
    )


def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the reference, then the frontier, the rest, and what lacks a number, each by loss."""
    keys = pd.DataFrame(
        {
            "other": frame.index != REFERENCE,
            "lacks": frame["frontier"].isna(),
            "beaten": frame["beaten_by"].notna(),
            "loss": frame["counted_loss"].where(frame["frontier"].notna(), 0.0),
        },
        index=frame.index,
    )
    return frame.loc[keys.sort_values(list(keys.columns)).index]
