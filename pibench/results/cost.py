"""The numbers of one cost record."""

from __future__ import annotations

from statistics import median

from pibench.net.profiles import MODELLED, NETWORKS, Network, latency
from pibench.results.records import Record

LINKS = ("loopback", *MODELLED)
PARTIES = 2
GROUPS = ("linear", "softmax", "activation", "norm", "other")
_LINEAR = {"qkv", "scores", "context", "output", "ffn_in", "ffn_out", "ffn"}


def group_megabytes(record: Record) -> dict[str, float | None]:
    """Return the megabytes of each operator group; they add up to the record's total."""
    if not record["operators"]:
        return dict.fromkeys(GROUPS)
    total = dict.fromkeys(GROUPS, 0)
    for operator in record["operators"]:
        total[operator_group(operator["name"])] += operator["bytes"]
    total["other"] = record["bytes_total"] - sum(total[group] for group in GROUPS if group != "other")
    return {group: count / 1e6 for group, count in total.items()}


def modelled_seconds(run: Record | None, network: Network) -> float | None:
    """Return the latency of a cost record, or of its baseline, on another network.

    None where nothing was timed, or where the engine does not tell compute apart from the network.
    """
    if run is None or not run["compute_seconds"] or run["round_trips"] is None:
        return None
    one_way = run["bytes_total"] / PARTIES
    return latency(network, median(run["compute_seconds"]), one_way, run["rounds"], run["round_trips"])


def link_seconds(run: Record) -> dict[str, float | None]:
    """Return the median seconds on loopback and the modelled seconds of a cost record or of its baseline."""
    modelled = {name: modelled_seconds(run, NETWORKS[name]) for name in MODELLED}
    return {"loopback": median(run["seconds"]) if run["seconds"] else None, **modelled}


def operator_group(name: str) -> str:
    """Return the group of a ledger's operator, one of ``GROUPS``."""
    last = name.rsplit(".", 1)[-1]
    if last in _LINEAR:
        return "linear"
    if last.endswith("norm"):
        return "norm"
    return last if last in ("softmax", "activation") else "other"
