import getpass
import json
import platform
import subprocess
import time
from pathlib import Path

import pytest
import torch

from pibench.measure import provenance
from pibench.results.records import validate
from pibench.testing.made_up import accuracy_record


def test_environment_fits_the_schema_and_is_fast() -> None:
    start = time.perf_counter()
    environment = provenance.environment(3)
    assert time.perf_counter() - start < 5
    assert environment["threads"] == 3
    assert environment["python"] == platform.python_version()
    assert environment["packages"]["torch"]
    assert (environment["machine"]["gpu_model"] is None) == (not torch.cuda.is_available())
    assert validate(accuracy_record("rte", "dense", "exact", 60.0, environment=environment)) == []


def test_no_host_or_user_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-private")
    monkeypatch.setenv("LOGNAME", "somebody-private")
    monkeypatch.setattr(platform, "node", lambda: "host-private")
    assert getpass.getuser() == "somebody-private"
    assert "private" not in json.dumps(provenance.environment(1))


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_commit_and_dirty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path.resolve()
    monkeypatch.setattr(provenance, "_ROOT", folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))

    def state() -> tuple[str | None, bool | None]:
        environment = provenance.environment(1)
        return environment["commit"], environment["dirty"]

    assert state() == (None, None)
    _git(folder, "init", "-q")
    _git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    commit = _git(folder, "rev-parse", "HEAD")
    assert state() == (commit, False)
    (folder / "new").touch()
    assert state() == (commit, True)
    # An installed copy inside somebody else's repository does not take that repository's commit.
    (folder / "site-packages").mkdir()
    monkeypatch.setattr(provenance, "_ROOT", folder / "site-packages")
    assert state() == (None, None)


def test_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    environment = provenance.environment(1)
    assert (environment["commit"], environment["dirty"]) == (None, None)
