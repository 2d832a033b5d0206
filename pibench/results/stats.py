"""Statistics of times that were measured in interleaved pairs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIN_PAIRS = 8


@dataclass(frozen=True)
class Ratio:
    """Median of per-pair ratios with its 95 % interval, or without one if pairs are too few or all equal."""

    median: float
    low: float | None
    high: float | None


def paired_ratio(baseline: Sequence[float], other: Sequence[float]) -> Ratio:
    """Return ``baseline / other`` pair by pair: above 1 where ``other`` is faster.

    Both hold the seconds of the same n interleaved rounds, in order. The interval is BCa's (Efron 1987), by a
    bootstrap with a fixed seed, from ``MIN_PAIRS`` pairs on, unless they are all equal. Raises ``ValueError`` for
    unequal lengths, no pairs, or a time that is not above zero.
    """
    if len(baseline) != len(other) or not baseline:
        raise ValueError(f"pairs need two lists of one length: got {len(baseline)} and {len(other)}")
    if min(*baseline, *other) <= 0:
        raise ValueError("a measured time must be above zero")
    ratios = np.asarray(baseline, dtype=float) / np.asarray(other, dtype=float)
    return Ratio(float(np.median(ratios)), *_interval(ratios))


def _interval(ratios: np.ndarray) -> tuple[float | None, float | None]:
    if len(ratios) < MIN_PAIRS or np.ptp(ratios) == 0:
        return None, None
    from scipy.stats import DegenerateDataWarning, bootstrap

    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)  # then there is no interval
        found = bootstrap((ratios,), np.median, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    return (float(found.low), float(found.high)) if np.isfinite([found.low, found.high]).all() else (None, None)
