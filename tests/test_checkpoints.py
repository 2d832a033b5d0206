"""What is wrong with a checkpoint is said when it is loaded, and what it lacks is drawn from the seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers.processors import TemplateProcessing
from transformers import BertTokenizer, PreTrainedTokenizerFast

from pibench.errors import InputError
from pibench.measure.options import defaults
from pibench.measure.plan import Plan
from pibench.measure.workbench import Workbench
from pibench.model.backbones.backbone import build_model, dense_shape, load_backbone
from pibench.testing.models import VOCABULARY, save_checkpoint, tiny_bert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_checkpoint(tiny_bert(), tmp_path / "tiny")


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_tokenizer(folder: Path, change: Callable[[Any], Any]) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    change(tokenizer)
    tokenizer.save_pretrained(folder)


def without_pooler(folder: Path) -> Path:
    path = folder / "model.safetensors"
    state = {name: value for name, value in load_file(path).items() if "pooler" not in name}
    save_file(state, path, metadata={"format": "pt"})
    return folder


def test_a_pooler_that_is_missing_is_drawn_from_the_seed_and_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    without_pooler(folder)
    torch.manual_seed(1)
    first = load_backbone(str(folder))
    torch.manual_seed(2)
    second = load_backbone(str(folder))
    assert build_model(first, seed=5).fingerprint() == build_model(second, seed=5).fingerprint()
    assert build_model(first, seed=5).fingerprint() != build_model(first, seed=6).fingerprint()
    assert first.fingerprint == second.fingerprint
    said = {record.getMessage() for record in caplog.records}
    assert said == {
        f"backbone {str(folder)!r} lacks pooler.dense.bias, pooler.dense.weight: drawn from each cell's seed"
    }


def test_nothing_is_said_of_a_whole_checkpoint(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_backbone(str(folder)).lacking == frozenset()
    assert not caplog.records


def test_the_fingerprint_is_of_weights_configuration_and_tokenizer(folder: Path) -> None:
    backbone = load_backbone(str(folder))
    before = backbone.fingerprint
    backbone.tokenizer(["a b c d"], truncation=True, padding=True, max_length=3)
    again = load_backbone(str(folder))
    again.tokenizer(["a b c d"], truncation=True, padding=True, max_length=3)
    assert again.fingerprint == before
    change_config(folder, layer_norm_eps=1e-6)
    other = load_backbone(str(folder)).fingerprint
    words = {word: index for index, word in enumerate([*VOCABULARY[:-2], VOCABULARY[-1], VOCABULARY[-2]])}
    BertTokenizer(vocab=words).save_pretrained(folder)
    assert len({before, other, load_backbone(str(folder)).fingerprint}) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_size": 18}, "has hidden size 18, which 4 heads do not divide"),
        ({"num_hidden_layers": 0}, "has num_hidden_layers 0"),
        ({"num_attention_heads": -4}, "has num_attention_heads -4"),
        ({"intermediate_size": 0}, "has intermediate_size 0"),
        ({"pruned_heads": {"0": [1]}}, "has pruned heads"),
    ],
)
def test_an_impossible_shape_is_refused_by_every_command(folder: Path, changes: dict[str, Any], said: str) -> None:
    change_config(folder, **changes)
    for load in (load_backbone, dense_shape):  # the second is what `pibench cost` reads
        with pytest.raises(InputError, match=said):
            load(str(folder))


def without_marks(tokenizer: Any) -> None:
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B")


def without_padding(tokenizer: Any) -> None:
    tokenizer.pad_token = None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_marks, r"does not put \[CLS\] before a text and \[SEP\] between two"),
        (without_padding, r"a tokenizer without a \[PAD\] token"),
        (lambda tokenizer: tokenizer.add_tokens(["p"]), "has a tokenizer with ids up to 20, but embeds only 20 words"),
    ],
    ids=["no marks", "no padding", "too many words"],
)
def test_a_tokenizer_that_does_not_fit_is_refused(folder: Path, change: Callable[[Any], None], said: str) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    change_tokenizer(folder, change)
    with pytest.raises(InputError, match=said):
        load_backbone(str(folder))


def test_pairs_need_two_token_types(tmp_path: Path) -> None:
    folder = save_checkpoint(tiny_bert(type_vocab_size=1), tmp_path / "tiny")

    def check(task: str) -> None:
        given = {"engine": "lean", "methods": "dense", "data": "sample", "output": tmp_path / "out"}
        Workbench(Plan.from_options(defaults(**given, tasks=task, backbone=str(folder)))).check()

    check("sst2")
    with pytest.raises(InputError, match=r"task 'mrpc' has texts in 2 segments, but the backbone .* has 1 token type"):
        check("mrpc")
