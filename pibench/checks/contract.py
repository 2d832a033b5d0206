"""Checks of a contract: what a plugin promises, and a loop that runs all checks even if some fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from pibench.plugins import located

B = TypeVar("B")

TOLERANCE = 0.05
"""The tolerance of logits against floats: relative to the largest logit, and absolute."""


class Broken(Exception):
    """A check failed; the text says what is wrong and what to do."""


@dataclass(frozen=True)
class Check(Generic[B]):
    """One part of a contract: ``promise`` says what is kept; ``run`` raises :class:`Broken` if it is not."""

    promise: str
    run: Callable[[B], None]


def keeps(checks: Sequence[Check[B]], bench: B, log: Callable[[str], None], done: Callable[[B], bool]) -> bool:
    """Run the checks on ``bench`` until ``done``, log a line for each, and return whether all were passed."""
    good = True
    for one in checks:
        try:
            one.run(bench)
        except Exception as error:
            good = False
            what = str(error) if isinstance(error, Broken) else located(error)
            log(f"  FAILED  {one.promise}\n          {what}")
        else:
            log(f"  ok      {one.promise}")
        if done(bench):
            log("  -       the remaining checks do not apply")
            break
    return good


def near(own: np.ndarray, floats: np.ndarray) -> None:
    """Compare logits with those of floats.

    Raises:
        Broken: the shapes differ, or a logit differs by more than fixed point explains.
    """
    if own.shape != floats.shape:
        raise Broken(f"logits have shape {own.shape}, but the model's have {floats.shape}")
    difference, allowed = np.abs(own - floats).max(), TOLERANCE * (1 + np.abs(floats).max())
    if not difference <= allowed:
        raise Broken(f"logits differ from floats by {difference:.3g}, more than the allowed {allowed:.3g}")
