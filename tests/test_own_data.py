"""Data of one's own: how it may be stored, what is refused or told, and what it is called."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pibench.errors import InputError
from pibench.tasks.load import load
from pibench.tasks.registry import TASKS
from pibench.tasks.task import Examples, RawTask
from tests.test_glue import LABELS, SENTENCES, write


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("rte", {"label": [1] * 4}, r"every label of .*train\.parquet is 1: use a split with more than one class\.$"),
        ("stsb", {"label": [2.5] * 4}, r"every label of .* is 2\.5: use a split with more than one score\.$"),
        (
            "rte",
            {"sentence2": ["", " ", "\n", ""]},
            r"column 'sentence2' of .* holds only empty texts: export it again",
        ),
    ],
)
def test_data_that_teaches_nothing_is_refused(tmp_path: Path, name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(name, write(tmp_path, name, **changes))


def test_a_validation_split_of_one_class_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "sst2") / "sst2" / "validation.parquet"
    pq.write_table(pa.table({"sentence": SENTENCES, "label": [0] * 4}), path)
    with pytest.raises(InputError, match=r"every label of .*validation\.parquet is 0"):
        load("sst2", tmp_path)


def test_examples_in_both_splits_and_empty_texts_are_told_once_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path, "rte", sentence1=["a fine day", "new", "", "sleeps he"])
    with caplog.at_level(logging.WARNING, logger="pibench"):
        raw = load("rte", root)
    assert raw.overlap == 2
    assert raw.notes == (
        "rte: 2 of 4 validation examples have the texts of a training example.",
        "rte: 1 of 4 training examples have an empty text.",
    )
    assert tuple(record.message for record in caplog.records) == raw.notes


def test_a_class_that_training_lacks_is_told(tmp_path: Path) -> None:
    assert load("mnli", write(tmp_path, "mnli")).notes[1:] == ("mnli: no training example has the label 2.",)
    assert not any("label" in note for note in load("stsb", write(tmp_path, "stsb")).notes)


def test_the_sample_has_nothing_to_tell() -> None:
    assert {name: load(name, source="sample").notes for name in TASKS} == dict.fromkeys(TASKS, ())


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_text_may_be_stored_in_any_form(tmp_path: Path, kind: pa.DataType) -> None:
    plain = pa.array(SENTENCES)
    stored = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain.cast(kind)
    assert load("rte", write(tmp_path, "rte", sentence1=stored)).train.texts[1] == ("day fine a",) * 2
    stored = pa.array(["a", None, "b", "a"]).dictionary_encode()
    with pytest.raises(InputError, match=r"column 'sentence1' of .* is null in row 1"):
        load("rte", write(tmp_path, "rte", sentence1=stored))


@pytest.mark.parametrize("kind", [pa.uint8(), pa.uint64(), pa.int8(), pa.dictionary(pa.int32(), pa.uint8())], ids=str)
def test_integer_labels_may_be_stored_in_any_form(tmp_path: Path, kind: pa.DataType) -> None:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    stored = pa.array(LABELS, value)
    stored = stored.dictionary_encode() if pa.types.is_dictionary(kind) else stored
    assert load("rte", write(tmp_path, "rte", label=stored)).train.labels == tuple(LABELS)
    words = pa.array(["no", "yes", "no", "yes"]).dictionary_encode()
    with pytest.raises(InputError, match=r"labels of .* are string, not integers"):
        load("rte", write(tmp_path, "rte", label=words))


def published(monkeypatch: pytest.MonkeyPatch, raw: RawTask, **changes: Any) -> None:
    """Let the splits of ``raw`` be those that its task publishes."""
    own = {"fingerprints": (raw.train.fingerprint, raw.validation.fingerprint)}
    own |= {"examples": (len(raw.train), len(raw.validation))}
    monkeypatch.setitem(TASKS._loaded, raw.task.name, replace(raw.task, **own | changes))


def test_data_bears_the_name_of_its_suite_only_if_it_is_the_published_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, "rte")
    published(monkeypatch, load("rte", root))
    whole = load("rte", root)
    assert (whole.source, whole.train_whole) == ("glue", True)
    part = load("rte", write(tmp_path, "rte", sentence1=SENTENCES[:3], sentence2=SENTENCES[:3], label=LABELS[:3]))
    assert (part.source, part.train_whole) == ("glue", False)
    assert part.notes[0] == "rte: the training split, 3 of 4 examples, is not the whole published one."
    changed = load("rte", write(tmp_path, "rte", sentence1=[*SENTENCES[:3], "he snores"]))
    assert (changed.source, changed.train_whole) == ("glue", False)
    columns = {"sentence1": SENTENCES, "sentence2": SENTENCES, "label": LABELS[::-1]}
    pq.write_table(pa.table(columns), root / "rte" / "validation.parquet")
    assert load("rte", root).source == "own"


def test_a_training_split_of_unknown_content_is_judged_by_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, "rte")
    raw = load("rte", root)
    published(monkeypatch, raw, fingerprints=(None, raw.validation.fingerprint))
    assert load("rte", root).train_whole
    published(monkeypatch, raw, fingerprints=(None, raw.validation.fingerprint), examples=(5, 4))
    assert not load("rte", root).train_whole


def test_the_fingerprint_of_a_split_sees_content_and_no_order() -> None:
    split = Examples((("a b", "c"), ("d", "e")), (0.1, 5.0))
    same = Examples((("d", " e"), ("a  b", "c")), (5.0, 0.10000000149011612))
    assert split.fingerprint == same.fingerprint
    others = [Examples(split.texts, (0.2, 5.0)), Examples((("a b", "c"), ("d", "f")), split.labels)]
    others += [Examples((("a", "b c"), ("d", "e")), split.labels), Examples(split.texts[:1], split.labels[:1])]
    assert len({split.fingerprint, *(other.fingerprint for other in others)}) == 5
