from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES: dict[str, set[str]] = {
    "pibench": set(),
    "ig3d": {"pibench"},
    "baselines": {"ig3d", "pibench"},
    "benchmarks": {"pibench"},
    "tests": {"ig3d", "baselines", "pibench"},
}
"""Our packages, each with the others that it may import."""
PARTS = ("tasks", "model", "training", "net", "engines", "methods", "results", "measure", "checks", "cli", "testing")
"""The packages inside pibench; each may import itself, those before it, and the modules beside them."""


def imported(source: str) -> Iterator[str]:
    """Yield the full name of every import in a module, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package in full"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if called in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


def all_imports(folder: str) -> list[tuple[Path, list[str]]]:
    """Return the imports of every module in a folder, as lists of names, with the module's path."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    return [(file.relative_to(ROOT), name.split(".")) for file in files for name in imported(file.read_text("utf-8"))]


def test_the_parser_sees_every_form_of_import() -> None:
    source = "import a.b, c\ndef f():\n    from d.e import x\n    importlib.import_module('g.h')"
    assert set(imported(source)) == {"a.b", "c", "d.e.x", "g.h"}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package: str) -> None:
    refused = PACKAGES.keys() - PACKAGES[package] - {package}
    assert not [(str(path), name) for path, name in all_imports(package) if name[0] in refused]


def test_every_folder_of_pibench_has_its_place() -> None:
    folders = {path.parent.name for path in (ROOT / "pibench").glob("*/__init__.py")}
    assert folders == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_packages_inside_pibench_import_one_way(part: str) -> None:
    later = PARTS[PARTS.index(part) + 1 :]
    assert not [
        (str(path), name)
        for path, name in all_imports(f"pibench/{part}")
        if name[0] == "pibench" and len(name) > 1 and name[1] in later
    ]


def test_modules_beside_the_packages_import_none_of_them() -> None:
    loose = [one for one in all_imports("pibench") if len(one[0].parts) == 2 and one[0].name != "__main__.py"]
    assert not [(str(path), name) for path, name in loose if name[0] == "pibench" and name[1] in PARTS]


def test_crypten_is_imported_by_its_own_folder_alone() -> None:
    users = {
        str(file.relative_to(ROOT / "pibench").parent)
        for file in (ROOT / "pibench").rglob("*.py")
        if any(name.split(".")[0] == "crypten" for name in imported(file.read_text(encoding="utf-8")))
    }
    assert users == {"engines/crypten"}


@pytest.mark.parametrize("package", sorted(PACKAGES.keys() - {"tests"}))
def test_packages_are_this_repository_s_own(package: str) -> None:
    # CrypTen's wheel brings a top-level package `benchmarks` too.
    module = import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / package / "__init__.py"
    assert sys.modules[package] is module
