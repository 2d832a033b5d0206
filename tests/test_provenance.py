import getpass
import json
import os
import platform
import subprocess
import time
from pathlib import Path

import pytest
import torch

from pibench.measure import provenance
from pibench.measure.options import defaults
from pibench.measure.plan import Plan
from pibench.measure.workbench import Workbench
from pibench.results.records import validate
from pibench.testing.made_up import accuracy_record
from pibench.testing.models import save_checkpoint, tiny_bert


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
    monkeypatch.setattr(provenance, "CHECKOUT", folder)

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
    monkeypatch.setattr(provenance, "CHECKOUT", folder / "site-packages")
    assert state() == (None, None)


def test_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    environment = provenance.environment(1)
    assert (environment["commit"], environment["dirty"]) == (None, None)


def committed(folder: Path) -> str:
    """Make ``folder`` a repository with one commit, and return the commit."""
    folder.mkdir()
    _git(folder, "init", "-q")
    _git(folder, "commit", "-q", "--allow-empty", "-m", folder.name)
    return _git(folder, "rev-parse", "HEAD")


def test_a_repository_that_the_surroundings_name_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = committed(tmp_path / "own"), committed(tmp_path / "other")
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path / "own")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-such-index"))
    assert (provenance.environment(1)["commit"], own == other) == (own, False)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_repository_of_another_user_and_one_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = committed(tmp_path / "own")
    for path in (tmp_path / "own", tmp_path / "own" / ".git"):
        os.chown(path, 12_345, 12_345)
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path / "own")
    monkeypatch.setenv("HOME", str(tmp_path / "no-such-home"))
    assert provenance.environment(1)["commit"] == own


def test_files_that_are_not_listed_by_default_still_make_a_tree_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(tmp_path / "own")
    _git(tmp_path / "own", "config", "status.showUntrackedFiles", "no")
    (tmp_path / "own" / "new.py").touch()
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path / "own")
    assert provenance.environment(1)["dirty"] is True


def test_a_run_without_a_commit_says_so_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    folder = save_checkpoint(tiny_bert(), tmp_path / "backbone")
    given = defaults(engine="lean", methods="dense", data="sample", backbone=str(folder), output=tmp_path / "out")
    Workbench(Plan.from_options(given)).check()
    (said,) = [record.getMessage() for record in caplog.records if "commit" in record.getMessage()]
    assert "cannot be cited" in said
