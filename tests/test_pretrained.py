"""Compressed models on disk: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from pibench.cli import compress
from pibench.cli import main as command
from pibench.errors import InputError
from pibench.model.pretrained import PrivateModel
from pibench.testing.models import save_checkpoint, tiny_bert
from tests.conftest import MakeModel

IDS = torch.tensor([[1, 10, 25, 2], [1, 44, 2, 0]])


@torch.no_grad()
def test_a_model_comes_back_bit_for_bit(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(softmax="quad", activation="quad", heads=2)
    PrivateModel(model, {"task": "rte"}).save_pretrained(tmp_path)
    back = PrivateModel.from_pretrained(tmp_path)
    assert (back.model.fingerprint(), back.about) == (model.fingerprint(), {"task": "rte"})
    mask = (IDS > 0).long()
    own = model(IDS, torch.zeros_like(IDS), mask).logits
    assert torch.equal(back(input_ids=IDS, attention_mask=mask).logits, own)
    assert torch.equal(back(IDS, mask, torch.zeros_like(IDS)).logits, own)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", b'{"model_type": "bert"}', "holds a bert, not a model of this suite"),
        ("config.json", b"{", "is not a model of this suite"),
        ("config.json", b"[]", "is not a model of this suite"),
        ("model.safetensors", b"\0" * 100, "is not a model of this suite"),
    ],
)
def test_anything_else_is_one_sentence(
    make_model: MakeModel, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    PrivateModel(make_model()).save_pretrained(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as refusal:
        PrivateModel.from_pretrained(tmp_path)
    assert "\n" not in str(refusal.value)


def test_weights_of_another_architecture_are_refused(make_model: MakeModel, tmp_path: Path) -> None:
    PrivateModel(make_model()).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["architecture"]["layers"].pop()
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="is not a model of this suite"):
        PrivateModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("ids", "segments", "words"),
    [
        (torch.ones(1, 41, dtype=torch.long), None, "the text has 41 tokens, but this model takes at most 40"),
        (torch.tensor([[1, 50]]), None, "token id 50 is not among this model's 0 to 49"),
        (torch.tensor([[1, -1]]), None, "token id -1 is not among"),
        (torch.tensor([[1, 2]]), torch.tensor([[0, 2]]), "segment id 2 is not among this model's 0 to 1"),
    ],
)
def test_a_text_that_the_model_cannot_take_is_one_sentence(
    make_model: MakeModel, ids: torch.Tensor, segments: torch.Tensor | None, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        PrivateModel(make_model())(ids, token_type_ids=segments)


def test_a_full_disk_is_one_sentence(make_model: MakeModel, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match=r"cannot write .*model\.safetensors \(File too large\)"):
            PrivateModel(make_model()).save_pretrained(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_all_files_have_the_rights_that_the_user_s_mask_gives(make_model: MakeModel, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        PrivateModel(make_model()).save_pretrained(tmp_path)
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "config.json": 0o640,
        "model.safetensors": 0o640,
    }


@pytest.mark.parametrize("content", ['{"model_type": "bert"}', "no JSON", "[]"])
def test_files_of_another_origin_are_never_replaced(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compress, "served", lambda *arguments: pytest.fail("trained first"))
    (tmp_path / "config.json").write_text(content)
    assert command.main(["compress", "--save", str(tmp_path)]) == 2
    assert "is not empty and holds no model of this suite: choose another folder" in capsys.readouterr().err
    assert (tmp_path / "config.json").read_text() == content


def test_the_command_makes_a_model_that_loads_with_its_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    backbone = save_checkpoint(tiny_bert(), tmp_path / "backbone")
    own = ["--backbone", str(backbone), "--data", "sample", "--profile", "quick", "--method", "puma"]
    assert command.main(["compress", *own, "--save", "saved"]) == 0
    assert "sst2-puma-no training-s0" in capsys.readouterr().out
    model, tokenizer = PrivateModel.from_pretrained("saved"), AutoTokenizer.from_pretrained("saved")
    assert model.about["method"] == "puma"
    assert model(**tokenizer(["a b c", "d"], padding=True, return_tensors="pt")).logits.shape == (2, 2)
    assert command.main(["compress", *own, "--save", "saved"]) == 0  # its own model is replaced
    assert command.main(["compress", *own, "--variant", "some training", "--save", "saved"]) == 2
    assert "unknown variant 'some training'" in capsys.readouterr().err
