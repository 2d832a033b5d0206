"""The option of the engine's studies."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("private inference")
    group.addoption("--inferences", type=int, default=10_000, help="layer inferences to audit (default: %(default)s)")
