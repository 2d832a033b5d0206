from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"pibench", "ig3d", "baselines", "benchmarks", "tests"}
ALLOWED = {
    "pibench": {"pibench"},
    "ig3d": {"ig3d", "pibench"},
    "baselines": {"baselines", "ig3d", "pibench"},
    "benchmarks": {"benchmarks", "pibench", "tests"},  # the studies of reliability use the tests' instruments
}


def imported(source: str) -> Iterator[str]:
    """Yield the top-level name of every import in a module, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package in full"
            assert node.module
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if called in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value).split(".")[0]


def test_the_parser_sees_every_form_of_import() -> None:
    source = "import a.b, c\ndef f():\n    from d.e import x\n    importlib.import_module('g.h')"
    assert set(imported(source)) == {"a", "c", "d", "g"}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {
        (str(file.relative_to(ROOT)), name)
        for file in files
        for name in imported(file.read_text(encoding="utf-8"))
        if name in OURS - ALLOWED[package]
    }
    assert not found


def test_crypten_is_imported_by_its_own_folder_alone() -> None:
    users = {
        str(file.relative_to(ROOT / "pibench").parent)
        for file in (ROOT / "pibench").rglob("*.py")
        if "crypten" in imported(file.read_text(encoding="utf-8"))
    }
    assert users == {"engines/crypten"}


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_are_this_repository_s_own(package: str) -> None:
    # CrypTen's wheel brings a top-level package `benchmarks` too.
    module = import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / package / "__init__.py"
    assert sys.modules[package] is module
