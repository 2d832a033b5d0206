"""Every operator on its own, for the operator table."""

from __future__ import annotations

from benchmarks.studies import Save
from pibench.measure.operators import rows


def test_operators(save: Save) -> None:
    save("operators", rows())
