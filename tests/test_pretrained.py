"""Compressed models on disk: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

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
    assert command.main(["compress", *own, "--variant", "some training", "--save", "saved"]) == 2
    assert "unknown variant 'some training'" in capsys.readouterr().err
