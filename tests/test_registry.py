from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import pibench
from baselines.dense import Dense
from pibench import plugins as registries
from pibench.engines.lean.engine import Lean
from pibench.engines.registry import ENGINES
from pibench.errors import InputError
from pibench.methods.registry import METHODS
from pibench.model.backbones.adapter import ADAPTERS
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.norm import NORM
from pibench.model.operators.softmax import SOFTMAX
from pibench.plugins import Registry
from pibench.tasks.registry import TASKS

HERE = "tests.test_registry"


class Misnamed(Dense):
    """A method whose entry point goes by another name."""


class NoCompress:
    info = Dense.info


class NoInfo:
    def compress(self) -> None: ...


class InfoOfAnotherKind(Dense):
    info = {"name": "odd"}  # type: ignore[assignment]  # noqa: RUF012


class NeedsArguments(Dense):
    def __init__(self, knob: int) -> None:
        self.knob = knob


class NeedsMore(Dense):
    def compress(self, dense: object, data: object) -> None: ...  # type: ignore[override]


class Untitled(Lean):
    title = ""


def plug(monkeypatch: pytest.MonkeyPatch, **plugins: str) -> None:
    """Install entry points for the length of a test, ``name="module:Class"``, or several by spaces."""
    points = [EntryPoint(name, value, METHODS.group) for name, values in plugins.items() for value in values.split()]
    monkeypatch.setattr(registries, "registered", lambda group: [p for p in points if p.group == group])
    monkeypatch.setattr(METHODS, "_loaded", {})


def refused(name: str) -> str:
    with pytest.raises(InputError) as caught:
        _ = METHODS[name]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_in_tree_methods_are_registered_dense_first() -> None:
    names = list(METHODS)
    assert names[0] == "dense"
    assert names[1:] == sorted(names[1:])
    assert {"head_pruning", "poly_softmax", "gelu_substitution"} <= set(names)


def test_unknown_name_with_suggestion() -> None:
    text = refused("head_prunning")
    assert "did you mean 'head_pruning'?" in text
    assert "poly_softmax" in text


def test_unknown_name_without_suggestion() -> None:
    assert "did you mean" not in refused("zzz")


def test_listing_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, dense="baselines.dense:Dense", broken="no_such_module:Method")
    assert list(METHODS) == ["dense", "broken"]
    assert isinstance(METHODS["dense"], Dense)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:Method", "ModuleNotFoundError"),
        ("baselines.dense:NoSuchClass", "AttributeError"),
        (f"{HERE}:NeedsArguments", "TypeError"),
    ],
)
def test_plugin_that_does_not_import(monkeypatch: pytest.MonkeyPatch, value: str, reason: str) -> None:
    plug(monkeypatch, broken=value)
    text = refused("broken")
    assert value in text
    assert reason in text


def test_plugin_that_raises_on_import(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "raising_plugin.py").write_text("raise OSError('no licence\\nfound')", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    plug(monkeypatch, broken="raising_plugin:Method")
    assert "OSError: no licence" in refused("broken")


def test_two_plugins_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, dense=f"baselines.dense:Dense {HERE}:Misnamed")
    with pytest.raises(InputError, match=r"two plugins register the method 'dense'.*uninstall one"):
        list(METHODS)
    assert "two plugins" in refused("dense")


def test_one_plugin_listed_twice_is_no_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, dense="baselines.dense:Dense baselines.dense:Dense")
    assert list(METHODS) == ["dense"]


@pytest.mark.parametrize("name", ["NoCompress", "NoInfo", "InfoOfAnotherKind"])
def test_object_without_contract(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plug(monkeypatch, odd=f"{HERE}:{name}")
    assert "pibench.methods.contract" in refused("odd")


def test_name_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, other=f"{HERE}:Misnamed")
    assert "names itself 'dense'" in refused("other")


def test_a_package_with_unreadable_metadata_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "torn-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[pibench.methods]\nno equals sign\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        InputError, match=r"^the entry points of 'torn' cannot be read \(TypeError\): repair or uninstall"
    ):
        list(METHODS)


@pytest.mark.parametrize(
    "kind", [METHODS, ENGINES, TASKS, ADAPTERS, SOFTMAX, ACTIVATION, NORM], ids=lambda kind: kind.kind
)
@pytest.mark.parametrize(
    "name", ["", "a|b", "two words", "a,b", "lean:dense", "{set}", "=1+1", "a/b", "x" * 61, "a\nb"]
)
def test_a_bad_name_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, kind: Registry[Any], name: str
) -> None:
    monkeypatch.setattr(registries, "registered", lambda group: [EntryPoint(name, "mine.module:Object", group)])
    with pytest.raises(InputError, match=r"of mine\.module:Object has a bad name: use at most 60 letters") as caught:
        list(kind)
    assert str(caught.value).startswith(f"the {kind.kind} {name!r}")
    assert "\n" not in str(caught.value)


def test_a_method_that_takes_other_arguments_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, dense=f"{HERE}:NeedsMore")
    assert "compress takes other arguments than dense, data, budget and variant" in refused("dense")


def test_an_engine_without_a_title_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("lean", f"{HERE}:Untitled", ENGINES.group)
    monkeypatch.setattr(registries, "registered", lambda group: [point])
    monkeypatch.setattr(ENGINES, "_loaded", {})
    with pytest.raises(InputError, match="its title in tables is ''"):
        ENGINES["lean"]


@pytest.mark.parametrize("code", ["", "class Dense: pass", "raise OSError('not this one')"])
def test_another_package_of_the_same_name_is_named(tmp_path: Path, code: str) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "__init__.py").write_text("")
    (tmp_path / "baselines" / "dense.py").write_text(code)
    program = (
        "from pibench.errors import InputError\nfrom pibench.methods.registry import METHODS\n"
        "try:\n    METHODS['dense']\nexcept InputError as error:\n    print(error)"
    )
    path = f"{tmp_path}{os.pathsep}{Path(pibench.__file__).parents[1]}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    assert f"baselines was found at {tmp_path / 'baselines' / '__init__.py'}, not the suite's own at" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_plugin_that_raises_on_import_is_told_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "raising_later.py").write_text("import math\n\nmath.sqrt(-1)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    plug(monkeypatch, broken="raising_later:Method")
    assert "ValueError: " in refused("broken") and "(raising_later.py:3)" in refused("broken")
