"""Every operator on its own, for the operator table."""

from __future__ import annotations

from pibench.measure.operators import rows
from pibench.measure.study import Save


def test_operators(save: Save) -> None:
    save("operators", rows())
