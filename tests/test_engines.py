"""Engines by name: the registry, what each promises, and one that a stranger brings."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from pibench import plugins
from pibench.engines.engine import Engine, Parties, Prediction, Session
from pibench.engines.lean.engine import Lean
from pibench.engines.registry import ENGINES
from pibench.engines.security import in_words
from pibench.errors import InputError
from pibench.model.architecture import Architecture
from tests.conftest import MakeModel


class Clear(Engine):
    """An engine that hides nothing."""

    name, title = "clear", "Clear"

    def security(self, session: Session) -> dict[str, Any]:
        return {"parties": 1, "adversary": "none"}

    def predict(self, architecture: Architecture, batch: int, seq_len: int) -> Prediction | None:
        return None

    def start(self, session: Session) -> Parties:
        raise NotImplementedError


class Misnamed(Clear):
    """An engine under another name than its own."""

    name = "other"


def plug(monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
    """Register engines beside those that are there."""
    before = plugins.registered

    def both(group: str) -> list[EntryPoint]:
        return [*before(group), *(EntryPoint(name, value, group) for name, value in entries)]

    monkeypatch.setattr(plugins, "registered", both)
    monkeypatch.setattr(ENGINES, "_loaded", {})


def test_the_lean_engine_comes_first_and_all_are_listed() -> None:
    assert next(iter(ENGINES)) == "lean"
    assert {"lean", "crypten", "spu-semi2k", "spu-aby3", "spu-cheetah"} <= set(ENGINES)


@pytest.mark.parametrize("name", ["lean", "crypten", "spu-semi2k", "spu-aby3", "spu-cheetah"])
def test_every_engine_says_what_it_stands_for(name: str) -> None:
    engine = ENGINES[name]
    assert engine.name == name and engine.title
    assert "semi-honest" in in_words(engine.security(Session()))
    assert engine.settings and engine.settings["fraction_bits"] in (13, 16, 18)


def test_a_stranger_s_engine_plugs_in(monkeypatch: pytest.MonkeyPatch, make_model: MakeModel) -> None:
    plug(monkeypatch, ("clear", f"{__name__}:Clear"))
    engine = ENGINES["clear"]
    assert "clear" in ENGINES and engine.predict(make_model().architecture, 1, 7) is None
    engine.check(Session())
    with pytest.raises(InputError, match="the engine clear runs on one machine"):
        engine.check(Session(listen="192.0.2.7:7000"))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("clear", f"{__name__}:Clear"), ("clear", f"{__name__}:Misnamed")], "two plugins register"),
        ([("clear", f"{__name__}:Misnamed")], "names itself 'other'"),
        ([("clear", "pathlib:Path")], "is not of type Engine"),
        ([("clear", "no_such_module:Engine")], "failed to import"),
        ([], "unknown engine 'clear'"),
    ],
)
def test_what_is_no_engine_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, entries: list[tuple[str, str]], words: str
) -> None:
    plug(monkeypatch, *entries)
    with pytest.raises(InputError, match=words):
        ENGINES["clear"]


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (Session(dealer="third-party", listen="a:1"), "runs on one machine"),
        (Session(listen="a:1"), "--listen needs --certificates"),
        (Session(port=70_000), "busy or invalid"),
    ],
)
def test_a_session_that_the_lean_engine_cannot_have_is_refused(session: Session, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Lean().check(session)
