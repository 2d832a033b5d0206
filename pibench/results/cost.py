"""The numbers that tables take from one cost record."""

from __future__ import annotations

from statistics import median

from pibench.net.profiles import NETWORKS, Network, latency
from pibench.results.records import Record
from pibench.results.stats import paired_ratio

MODELLED = ("lan", "wan")
LINKS = ("loopback", *MODELLED)
PARTIES = 2
GROUPS = ("linear", "softmax", "activation", "norm", "other")
_LINEAR = {"qkv", "scores", "context", "output", "ffn_in", "ffn_out", "ffn"}
NUMBERS = (
    "megabytes",
    *(f"megabytes_{group}" for group in GROUPS),
    "rounds",
    "byte_ratio",
    "reduction",
    *(f"seconds_{link}" for link in LINKS),
    *(f"speedup_{link}" for link in LINKS),
    "pairs",
    "paired_speedup",
    "speedup_low",
    "speedup_high",
    "offline_elements",
    "offline_gigabytes",
)
"""The keys of :func:`cost_numbers`."""
Numbers = dict[str, float | None]


def cost_numbers(record: Record, is_reference: bool) -> Numbers:
    """Return the numbers of a cost record whose status is ok; None where something was not measured.

    - ``megabytes`` (1e6 bytes, all parties together), ``megabytes_GROUP`` for each operator group, and ``rounds``.
    - ``seconds_LINK``: the measured median on loopback, the modelled latency on the other links.
    - ``byte_ratio``: bytes over dense bytes; ``reduction``: the percentage of dense bytes that is saved.
    - ``speedup_LINK``: dense seconds over these seconds. The reference's own ratios are 1.
    - ``paired_speedup``, ``speedup_low``, ``speedup_high``: median and 95 % interval of the measured speed-up on
      loopback, pair by pair, also of the dense model against itself; ``pairs`` is the number of measured inferences.
    - ``offline_elements`` in millions, and ``offline_gigabytes`` if the dealer sent them.
    """
    baseline, offline = record["baseline"], record["offline"]
    seconds = link_seconds(record)
    pairs = paired_ratio(baseline["seconds"], record["seconds"]) if baseline and record["seconds"] else None
    byte_ratio, speedup = (1.0, dict.fromkeys(LINKS, 1.0)) if is_reference else (None, dict.fromkeys(LINKS))
    if baseline and not is_reference:
        byte_ratio = record["bytes_total"] / baseline["bytes_total"]
        speedup = {link: _over(dense, seconds[link]) for link, dense in link_seconds(baseline).items()}
        speedup["loopback"] = pairs.median if pairs else None
    return {
        "megabytes": record["bytes_total"] / 1e6,
        **{f"megabytes_{group}": size for group, size in group_megabytes(record).items()},
        "rounds": record["rounds"],
        "byte_ratio": byte_ratio,
        "reduction": None if byte_ratio is None else 100 * (1 - byte_ratio),
        **{f"seconds_{link}": value for link, value in seconds.items()},
        **{f"speedup_{link}": value for link, value in speedup.items()},
        "pairs": len(record["seconds"]),
        "paired_speedup": pairs and pairs.median,
        "speedup_low": pairs and pairs.low,
        "speedup_high": pairs and pairs.high,
        "offline_elements": offline and offline["elements"] / 1e6,
        "offline_gigabytes": offline and offline["bytes_if_sent"] / 1e9,
    }


def group_megabytes(record: Record) -> Numbers:
    """Return the megabytes of each operator group; they add up to the record's total."""
    if not record["operators"]:
        return dict.fromkeys(GROUPS)
    total = dict.fromkeys(GROUPS, 0)
    for operator in record["operators"]:
        total[operator_group(operator["name"])] += operator["bytes"]
    total["other"] = record["bytes_total"] - sum(total[group] for group in GROUPS if group != "other")
    return {group: count / 1e6 for group, count in total.items()}


def modelled_seconds(run: Record | None, network: Network) -> float | None:
    """Return the latency of a cost record, or of its baseline, on another network; None where nothing was timed."""
    if run is None or not run["seconds"]:
        return None
    one_way = run["bytes_total"] / PARTIES
    return latency(network, median(run["compute_seconds"]), one_way, run["rounds"], run["round_trips"])


def link_seconds(run: Record) -> Numbers:
    """Return the median seconds on loopback and the modelled seconds of a cost record or of its baseline."""
    modelled = {name: modelled_seconds(run, NETWORKS[name]) for name in MODELLED}
    return {"loopback": median(run["seconds"]) if run["seconds"] else None, **modelled}


def _over(dense: float | None, other: float | None) -> float | None:
    return None if dense is None or other is None else dense / other


def operator_group(name: str) -> str:
    """Return the group of a ledger's operator, one of ``GROUPS``."""
    last = name.rsplit(".", 1)[-1]
    if last in _LINEAR:
        return "linear"
    if last.endswith("norm"):
        return "norm"
    return last if last in ("softmax", "activation") else "other"
