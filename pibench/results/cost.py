"""The numbers that tables take from cost records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from pibench.net.profiles import MODELLED, NETWORKS, Network, latency
from pibench.results.records import Record
from pibench.results.stats import Ratio, paired_ratio

LINKS = ("loopback", *MODELLED)
PARTIES = 2
GROUPS = ("linear", "softmax", "activation", "norm", "other")
_LINEAR = {"qkv", "scores", "context", "output", "ffn_in", "ffn_out", "ffn"}


@dataclass(frozen=True)
class Cost:
    """One cost record in a table's units; None where it was not measured.

    ``megabytes`` (1e6 bytes) sums over parties; ``byte_ratio`` is bytes over dense bytes. By network:
    ``seconds`` is the measured median on loopback, else the modelled latency; ``speedup`` is dense time
    over this time. ``pairs`` is the measured loopback ratio, also of the dense model against itself.
    """

    megabytes: float
    rounds: int
    byte_ratio: float | None
    seconds: dict[str, float | None]
    speedup: dict[str, float | None]
    pairs: Ratio | None


def summarise(record: Record, is_reference: bool) -> Cost:
    """Return the numbers of a cost record whose status is ok; the reference's own ratios are 1."""
    baseline = record["baseline"]
    seconds = _seconds(record)
    pairs = paired_ratio(baseline["seconds"], record["seconds"]) if baseline and record["seconds"] else None
    byte_ratio = 1.0 if is_reference else None
    speedup: dict[str, float | None] = dict.fromkeys(LINKS, byte_ratio)
    if baseline and not is_reference:
        byte_ratio = record["bytes_total"] / baseline["bytes_total"]
        dense = _seconds(baseline)
        speedup = {link: _ratio(dense[link], seconds[link]) for link in MODELLED}
        speedup["loopback"] = None if pairs is None else pairs.median
    return Cost(record["bytes_total"] / 1e6, record["rounds"], byte_ratio, seconds, speedup, pairs)


def group_megabytes(record: Record) -> dict[str, float | None]:
    """Return the megabytes of each operator group; they add up to the record's total."""
    if not record["operators"]:
        return dict.fromkeys(GROUPS)
    total = dict.fromkeys(GROUPS, 0)
    for operator in record["operators"]:
        total[operator_group(operator["name"])] += operator["bytes"]
    total["other"] = record["bytes_total"] - sum(total[group] for group in GROUPS if group != "other")
    return {group: count / 1e6 for group, count in total.items()}


def combine(by_task: Iterable[Iterable[float | None]], mean: Callable[[Iterable[float]], float]) -> float | None:
    """Return the mean over tasks of the mean within each task; None if any value is missing."""
    tasks = [list(values) for values in by_task]
    if not tasks or any(value is None for values in tasks for value in values):
        return None
    return mean([mean([value for value in values if value is not None]) for values in tasks])


def reduction(byte_ratio: float | None) -> float | None:
    """Return the percentage of dense bytes that is saved."""
    return None if byte_ratio is None else 100 * (1 - byte_ratio)


def modelled_seconds(run: Record | None, network: Network) -> float | None:
    """Return the latency of a cost record, or of its baseline, on another network; None where nothing was timed."""
    if run is None or not run["seconds"]:
        return None
    one_way = run["bytes_total"] / PARTIES
    return latency(network, median(run["compute_seconds"]), one_way, run["rounds"], run["round_trips"])


def _seconds(run: Record) -> dict[str, float | None]:
    """Return the median loopback seconds and the modelled seconds of a cost record or of its baseline."""
    modelled = {name: modelled_seconds(run, NETWORKS[name]) for name in MODELLED}
    return {"loopback": median(run["seconds"]) if run["seconds"] else None, **modelled}


def _ratio(dense: float | None, other: float | None) -> float | None:
    return None if dense is None or other is None else dense / other


def operator_group(name: str) -> str:
    """Return the group of a ledger's operator, one of ``GROUPS``."""
    last = name.rsplit(".", 1)[-1]
    if last in _LINEAR:
        return "linear"
    if last.endswith("norm"):
        return "norm"
    return last if last in ("softmax", "activation") else "other"
