import numpy as np
import pytest

from pibench.results.stats import Ratio, paired_ratio


def test_median_of_pairwise_ratios_without_interval_below_eight_pairs() -> None:
    assert paired_ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]) == Ratio(3.0, None, None)


def test_interval_covers_the_true_ratio_and_is_repeatable() -> None:
    rng = np.random.default_rng(1)
    drift = rng.uniform(1, 3, 12)
    baseline, other = 2 * drift * rng.normal(1, 0.01, 12), drift * rng.normal(1, 0.01, 12)
    ratio = paired_ratio(baseline.tolist(), other.tolist())
    assert ratio.low is not None and ratio.high is not None
    assert 1.95 < ratio.low <= ratio.median <= ratio.high < 2.05
    assert ratio == paired_ratio(baseline.tolist(), other.tolist())


def test_equal_ratios_carry_no_interval() -> None:
    assert paired_ratio([2.0] * 8, [1.0] * 8) == Ratio(2.0, None, None)


def test_the_interval_of_a_measurement_against_itself_covers_one_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    runs = [paired_ratio(*rng.lognormal(0, 0.05, (2, 16)).tolist()) for _ in range(200)]
    assert 0.9 < np.mean([run.low is not None and run.low <= 1 <= (run.high or 0) for run in runs]) <= 0.99


@pytest.mark.parametrize(("baseline", "other"), [([], []), ([1.0], []), ([1.0, 2.0], [1.0]), ([1.0], [0.0])])
def test_refuses_what_is_no_pair(baseline: list[float], other: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pairs need|above zero"):
        paired_ratio(baseline, other)
