"""What all studies use: a fixture that writes the record, and one that prints progress."""

from __future__ import annotations

import pytest

from pibench.measure.study import Log, Save, saver


@pytest.fixture
def save(request: pytest.FixtureRequest) -> Save:
    """Return a function that writes the study from its rows."""
    return saver(request.config.getoption("studies"))


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Log:
    """Return a function that prints a line of progress."""
    return request.config.pluginmanager.get_plugin("terminalreporter").write_line
