from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.outcome import finish
from pibench.measure.run import CellFailed
from pibench.results.records import Record


def failing() -> Record:
    raise CellFailed("failed: ValueError: no luck (mine/method.py:3)")


@pytest.mark.parametrize(
    ("style", "verbose", "shown"), [("auto", 0, False), ("auto", 1, False), ("long", 0, True), ("auto", 2, True)]
)
def test_a_traceback_is_shown_on_request(style: str, verbose: int, shown: bool) -> None:
    config: Any = SimpleNamespace(option=SimpleNamespace(tbstyle=style, verbose=verbose))
    with pytest.raises(pytest.fail.Exception, match="no luck") as caught:
        finish(failing, config)
    assert caught.value.pytrace is shown
