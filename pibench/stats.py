"""Speed-up statistics over interleaved measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

MIN_PAIRS = 8


@dataclass(frozen=True)
class Ratio:
    """Median of ``n`` per-pair ratios with its 95 % interval; no interval below ``MIN_PAIRS`` pairs."""

    median: float
    low: float | None
    high: float | None
    n: int


def paired_ratio(baseline: Sequence[float], other: Sequence[float]) -> Ratio:
    """Return ``baseline / other`` pair by pair: above 1 where ``other`` is faster.

    Both hold the seconds of the same n interleaved rounds, in order. The interval is a percentile bootstrap
    with a fixed seed. Raises ``ValueError`` for unequal lengths, no pairs, or a time that is not above zero.
    """
    if len(baseline) != len(other) or not baseline:
        raise ValueError(f"pairs need two lists of one length: got {len(baseline)} and {len(other)}")
    if min(*baseline, *other) <= 0:
        raise ValueError("a measured time must be above zero")
    ratios = np.asarray(baseline, dtype=float) / np.asarray(other, dtype=float)
    median = float(np.median(ratios))
    if len(ratios) < MIN_PAIRS:
        return Ratio(median, None, None, len(ratios))
    # BCa divides by zero where all ratios are equal; percentile does not.
    interval = bootstrap(
        (ratios,), np.median, method="percentile", vectorized=True, rng=np.random.default_rng(0)
    ).confidence_interval
    return Ratio(median, float(interval.low), float(interval.high), len(ratios))
