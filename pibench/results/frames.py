"""Records as long tables: one line per record, with nested values in separate columns."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pibench.engines.registry import HEADLINE
from pibench.results.cost import GROUPS, LINKS, group_megabytes, link_seconds
from pibench.results.mixtures import variant_label
from pibench.results.records import Record
from pibench.results.stats import paired_ratio
from pibench.tasks.registry import in_order

REFERENCE = "dense/exact"
"""The row that every loss, reduction and speed-up refers to, on the headline engine."""
SECONDS, SPEEDUPS = [f"seconds_{link}" for link in LINKS], [f"speedup_{link}" for link in LINKS]

_NAMES = ["method", "task", "seed", "metric", "architecture", "engine", "seconds_total"]
_SCORES = ["float", "fixed", "mpc", "n", "n_mpc", "majority"]
_CHECKS = ["float_on_subset", "labels_agree", "max_logit_difference", "truncation_wraps"]
_SPENT = {"returned": "trained_on", "total": "searched"}
_STATUSES = ["failed", "timeout", "skipped", "ok"]


def accuracy_frame(records: Sequence[Record]) -> pd.DataFrame:
    """Return accuracy records as lines.

    The columns are ``method``, ``variant`` (with the engine where that is not the headline engine), ``row``
    (METHOD/VARIANT), ``task``, ``seed``, ``metric``, ``architecture``, ``engine``, ``seconds_total``, the scores, the
    numbers of ``mpc_check``, the thousands of training examples that the model was ``trained_on`` and that were
    ``searched`` in all, ``status``, and the ``record`` itself. ``row`` and ``task`` are categories in the order of
    tables, ``status`` from the worst to the best.
    """
    frame = pd.DataFrame(records, columns=[*_NAMES, *_SCORES]).astype(dict.fromkeys(_SCORES, float))
    checks = pd.DataFrame([record["mpc_check"] or {} for record in records], columns=_CHECKS, dtype=float)
    variants = pd.Series([variant_label(record) for record in records], dtype=object)
    spent = [[(record.get("spent") or {}).get(part, {}).get("examples") for part in _SPENT] for record in records]
    frame = frame.join([checks, pd.DataFrame(spent, columns=list(_SPENT.values()), dtype=float) / 1000])
    frame = frame.assign(variant=variants, row=frame["method"] + "/" + variants)
    methods = dict(zip(frame["row"], frame["method"], strict=True))
    dense, _ = REFERENCE.split("/")
    rows = sorted(methods, key=lambda row: (row != REFERENCE, methods[row] != dense, methods[row], row))
    ordered = {
        "row": pd.Categorical(frame["row"], rows),
        "task": pd.Categorical(frame["task"], in_order(frame["task"])),
    }
    return frame.assign(**ordered, **_common(records))


def cost_frame(records: Sequence[Record], dense: set[str]) -> pd.DataFrame:
    """Return cost records as lines; ``dense`` are the architectures of the dense model.

    The columns are ``architecture``, ``engine``, ``is_reference`` (the dense model on the headline engine), ``status``,
    the ``record`` itself, and these numbers, missing where nothing was measured:

    - ``megabytes`` (1e6 bytes, all parties together), ``megabytes_GROUP`` for each operator group, and ``rounds``.
    - ``seconds_LINK``: the measured median of ``pairs`` inferences on loopback, the modelled latency on other links.
    - ``byte_ratio``: bytes over dense bytes; ``reduction``: the percentage of dense bytes that is saved.
    - ``speedup_LINK``: dense seconds over these seconds. The reference's own ratios are 1.
    - ``paired_speedup``, ``speedup_low``, ``speedup_high``: median and 95 % interval of the measured speed-up on
      loopback, pair by pair, also of the dense model against itself.
    - ``offline_elements`` in millions and ``offline_gigabytes``, if ``offline_source`` sent them.
    """
    baselines = [record["baseline"] for record in records]
    own, base = _runs(records), _runs(baselines)
    pairs = pd.DataFrame(map(_paired, records), columns=["paired_speedup", "speedup_low", "speedup_high"], dtype=float)
    groups = [group_megabytes(record) if record["operators"] else {} for record in records]
    offline = pd.DataFrame(
        [record["offline"] or {} for record in records], columns=["source", "elements", "bytes_if_sent"]
    )
    frame = pd.DataFrame(records, columns=["architecture", "engine"])
    is_reference = (frame["engine"] == HEADLINE) & frame["architecture"].isin(dense)
    ratios = (base[SECONDS] / own[SECONDS]).set_axis(SPEEDUPS, axis="columns")
    ratios = ratios.assign(speedup_loopback=pairs["paired_speedup"], byte_ratio=own["megabytes"] / base["megabytes"])
    ratios = ratios.mask(own["megabytes"].notna() & is_reference, 1.0)
    parts = [own, pairs, ratios, pd.DataFrame(groups, columns=list(GROUPS), dtype=float).add_prefix("megabytes_")]
    return frame.join(parts).assign(
        reduction=100 * (1 - ratios["byte_ratio"]),
        offline_source=offline["source"],
        offline_elements=offline["elements"].astype(float) / 1e6,
        offline_gigabytes=offline["bytes_if_sent"].astype(float) / 1e9,
        is_reference=is_reference,
        **_common(records),
    )


def _runs(runs: Sequence[Record | None]) -> pd.DataFrame:
    """Return megabytes, rounds, seconds by link and their number, of cost records or of their baselines."""
    lines = [
        {"megabytes": run["bytes_total"] / 1e6, "rounds": run["rounds"], "pairs": len(run["seconds"])}
        | {f"seconds_{link}": seconds for link, seconds in link_seconds(run).items()}
        if run and run["bytes_total"] is not None
        else {}
        for run in runs
    ]
    return pd.DataFrame(lines, columns=["megabytes", "rounds", "pairs", *SECONDS], dtype=float)


def _paired(record: Record) -> tuple[float | None, ...]:
    """Return the measured speed-up, pair by pair, with its interval."""
    if not record["baseline"] or not record["seconds"]:
        return (None, None, None)
    ratio = paired_ratio(record["baseline"]["seconds"], record["seconds"])
    return ratio.median, ratio.low, ratio.high


def _common(records: Sequence[Record]) -> dict[str, pd.Series]:
    statuses = pd.Categorical([record["status"] for record in records], _STATUSES, ordered=True)
    return {"status": pd.Series(statuses), "record": pd.Series(records, dtype=object)}
