"""requirements.lock has a version of all that pyproject.toml asks for, and one that it allows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
PINS = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().split())
LOCKED = {canonicalize_name(name): version for name, version in PINS.items()}


@pytest.mark.parametrize("text", ASKED)
def test_what_is_asked_for_is_locked(text: str) -> None:
    asked = Requirement(text)
    assert asked.specifier.contains(LOCKED[canonicalize_name(asked.name)])
