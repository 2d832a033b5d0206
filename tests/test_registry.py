from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from baselines.dense import Dense
from pibench import plugins as registries
from pibench.errors import InputError
from pibench.methods.registry import METHODS

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
