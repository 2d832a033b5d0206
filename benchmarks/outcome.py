"""Translates the outcome of a cell to pytest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pibench.errors import InputError
from pibench.measure.plan import Cell
from pibench.measure.run import CellFailed, describe
from pibench.measure.stages import served
from pibench.measure.workbench import Workbench
from pibench.methods.contract import Skip
from pibench.model.module import Model
from pibench.results.records import Record


def finish(run: Callable[[], Record], config: pytest.Config) -> Record:
    """Return the record that ``run`` makes; a failed cell fails, a skipped one skips, a failing disk ends the run."""
    try:
        record = run()
    except CellFailed as failure:
        pytest.fail(str(failure), pytrace=wants_traceback(config))
    except InputError as error:
        pytest.exit(f"error: {error}", returncode=2)
    if record["status"] == "skipped":
        pytest.skip(record["error"])
    return record


def model_of(bench: Workbench, cell: Cell, config: pytest.Config) -> Model:
    """Return the cell's model, or end the test with the reason for its absence."""
    try:
        model = served(bench, cell)
    except Exception as error:
        pytest.fail(f"failed: {describe(error)}", pytrace=wants_traceback(config))
    if isinstance(model, Skip):
        pytest.skip(model.reason)
    return model


def wants_traceback(config: pytest.Config) -> bool:
    """Say whether a failed cell is to be shown with its traceback: with ``--tb=long`` or ``-vv``."""
    return config.option.tbstyle == "long" or config.option.verbose > 1
