"""A run gives the same records wherever it runs: whatever is installed, set or missing around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pibench.testing.models import save_checkpoint, tiny_bert

PLUGINS = ("xdist", "pytest_randomly", "pytest_cov", "pytest_timeout")
TIMES = {"seconds", "compute_seconds", "seconds_total", "started_utc", "load_1m", "training_step_ratio"}
"""What two runs measure differently: times, and the load beside them."""
SECRET = {"max_logit_difference"}
"""What depends on the parties' own random masks, which no seed may fix."""


def records(folder: Path, environment: dict[str, str], *options: str) -> dict[str, Any]:
    """Run the dense model on the sample in ``folder``; return the records by name, without times."""
    backbone = save_checkpoint(tiny_bert(), folder / "backbone")
    command = [sys.executable, "-m", "pibench", "run", f"--backbone={backbone}", "--data=sample", "--engine=lean"]
    command += ["--methods=dense/exact", "--output=out", "--mpc-examples=4", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-4000:]
    found = {
        str(path.relative_to(folder)): json.loads(path.read_text("utf-8")) for path in folder.rglob("out/**/*.json")
    }
    assert found
    return {name: timeless(record) for name, record in found.items()}


def timeless(value: Any) -> Any:
    """Return a record without what differs between two equal runs."""
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key not in TIMES | SECRET}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yield where two records differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{place}.{key}")
    elif one != other:
        yield f"{place}: {one} and {other}"


@pytest.mark.mpc
def test_hostile_surroundings_change_nothing_but_times(tmp_path: Path) -> None:
    for plugin in PLUGINS:
        pytest.importorskip(plugin)
    plain, hostile = tmp_path / "plain", tmp_path / "Übung {data} a b"
    plain.mkdir()
    hostile.mkdir()
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    (hostile / "pytest.ini").write_text("[pytest]\naddopts = -x\n")
    surroundings = {
        "GIT_DIR": str(other / ".git"),
        "HOME": str(tmp_path / "no-home"),
        "LANG": "tr_TR.ISO-8859-9",
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "latin-1",
        "PYTHONHASHSEED": "7",
        "COLUMNS": "20",
    }
    expected, found = records(plain, dict(os.environ)), records(hostile, os.environ | surroundings)
    assert found.keys() == expected.keys()
    for name, record in found.items():
        assert list(differences(record, expected[name])) == []
