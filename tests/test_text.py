from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from pibench.errors import InputError
from pibench.tasks import text
from pibench.tasks.sources import HubUnavailable
from pibench.tasks.text import Corpus, load_corpus, tokenise
from pibench.training.language import LanguageBudget, language_loss, score
from tests.test_decoder import WORDS, make_decoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, files in {
        "one": {"input.txt": "0123456789" * 3},
        "two": {"train.txt": "a" * 20, "validation.txt": "b" * 10},
    }.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    return tmp_path


def test_the_last_tenth_of_a_single_file_is_held_out(folder: Path) -> None:
    corpus = load_corpus("one", folder)
    assert (corpus.train, corpus.validation) == ("0123456789" * 2 + "0123456", "789")
    assert corpus.source == "folder"


def test_two_files_are_taken_as_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBENCH_TEXT_DIR", str(folder))
    corpus = load_corpus("two")
    assert (corpus.train, corpus.validation) == ("a" * 20, "b" * 10)
    assert corpus.fingerprint != load_corpus("one").fingerprint


def test_without_a_folder_or_a_hub_the_sample_stands_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unavailable() -> Corpus:
        raise HubUnavailable("the hub is out of reach")

    monkeypatch.delenv("PIBENCH_TEXT_DIR", raising=False)
    monkeypatch.setattr(text, "_from_hub", unavailable)
    with caplog.at_level(logging.WARNING):
        corpus = load_corpus("warandpeace")
    assert corpus.source == corpus.name == "sample"
    assert "not real text" in caplog.text
    assert corpus == load_corpus("any", source="sample")
    assert not set(corpus.validation.splitlines()) & set(corpus.train.splitlines()) - {""}
    with pytest.raises(InputError, match="out of reach"):
        load_corpus("warandpeace", source="hub")
    with pytest.raises(InputError, match="PIBENCH_TEXT_DIR"):
        load_corpus("warandpeace", source="folder")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda root: (root / "one" / "more.txt").write_text("x"), "2 text files"),
        (lambda root: (root / "one" / "input.txt").unlink(), "0 text files"),
        (lambda root: (root / "one" / "input.txt").write_bytes(b"\xff\xfe\x00bad text"), "not readable"),
        (lambda root: (root / "one" / "input.txt").write_text(""), "is empty"),
        (lambda root: (root / "one" / "input.txt").write_text("\n " * 99), "is empty"),
    ],
)
def test_a_bad_folder_is_one_sentence(folder: Path, break_it: object, words: str) -> None:
    break_it(folder)  # type: ignore[operator]
    with pytest.raises(InputError, match=words):
        load_corpus("one", folder)


def test_an_unknown_corpus_or_folder_is_one_sentence(folder: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'one'"):
        load_corpus("onee", folder)
    with pytest.raises(InputError, match="no folder with text"):
        load_corpus("one", folder / "nowhere")


def test_tokens_stand_for_the_text() -> None:
    train = "the cat sat on the mat. " * 50
    data = tokenise(Corpus("cats", "sample", train, "the cat sat."), 300)
    assert 256 < data.vocabulary <= 300
    assert len(data.train) < len(train) / 2
    assert data.bytes_per_token == len("the cat sat.") / len(data.validation)
    assert int(data.train.max()) < data.vocabulary


def test_a_vocabulary_holds_all_bytes() -> None:
    with pytest.raises(InputError, match="at least 256"):
        tokenise(Corpus("cats", "sample", "a", "b"), 100)


@torch.no_grad()
def test_every_validation_token_is_scored_once() -> None:
    model = make_decoder()
    validation = torch.randint(WORDS, (50,), generator=torch.Generator().manual_seed(0))
    data = text.TextData(Corpus("made up", "sample", "", ""), WORDS, validation, validation, 2.0)
    learned = score(model, data, LanguageBudget(seq_len=7))
    goal = torch.stack([language_loss(model, validation[None, i : i + 8]) for i in range(0, 49, 7)]).mean()
    assert learned.loss == pytest.approx(float(goal), rel=1e-5)
