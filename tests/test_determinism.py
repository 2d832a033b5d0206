"""Two fresh processes, with other hash seeds and other global random states, make equal models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibench.methods.registry import METHODS
from pibench.model.backbones.adapter import ADAPTERS
from pibench.testing.models import save_checkpoint, tiny_encoder

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import json, random, sys
from pathlib import Path
import numpy as np
import torch
from transformers import GPT2Config, GPT2Model
from pibench.methods.contract import Skip
from pibench.methods.registry import METHODS
from pibench.model.backbones.adapter import ADAPTERS
from pibench.model.backbones.backbone import Backbone, build_model, load_backbone
from pibench.tasks.data import Split, TaskData
from pibench.tasks.task import Task
from pibench.testing.models import tiny_model
from pibench.training.budget import Budget

for seed in (random.seed, np.random.seed, torch.manual_seed):
    seed(int(sys.argv[1]))

def split(seed):
    rows = np.random.default_rng(seed).integers(3, 50, (24, 9)).tolist()
    return Split(tuple(map(tuple, rows)), ((0,) * 9,) * 24, torch.arange(24) % 2)

task = Task("tiny", ("sentence",), 2, ("accuracy",))
data = TaskData(task, split(0), split(1), pad_id=0, source="sample", fingerprint="tiny")
budget = Budget(epochs=2, examples=16, batch_size=8, learning_rate=1e-3)
made = {}
for name, method in METHODS.items():
    for variant in method.info.variants:
        model = method.compress(tiny_model(), data, budget, variant)
        made[f"{name}: {variant.name}"] = model.reason if isinstance(model, Skip) else model.fingerprint()

with torch.random.fork_rng():
    torch.manual_seed(0)
    gpt2 = GPT2Model(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=4, n_positions=12))
backbones = {Path(folder).name: load_backbone(folder) for folder in sys.argv[2:]}
backbones["gpt2"] = Backbone("gpt2", ADAPTERS["gpt2"], gpt2, None)
made |= {family: build_model(backbone).fingerprint() for family, backbone in backbones.items()}
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Return the fingerprints that two processes print."""
    here, kinds = tmp_path_factory.mktemp("backbones"), [name for name in ADAPTERS if name != "gpt2"]
    folders = [str(save_checkpoint(tiny_encoder(kind), here / kind)) for kind in kinds]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, noise, *folders],
            env=os.environ | {"PYTHONHASHSEED": noise, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"},
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
        )
        for noise in ("1", "2")
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    return [json.loads(text) for text in said]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_makes_the_same_model_in_every_process(made: list[dict[str, str]], name: str) -> None:
    first, second = ({key: hash_ for key, hash_ in one.items() if key.startswith(f"{name}: ")} for one in made)
    assert len(first) == len(METHODS[name].info.variants)
    assert first == second


@pytest.mark.parametrize("family", ADAPTERS)
def test_a_backbone_becomes_the_same_model_in_every_process(made: list[dict[str, str]], family: str) -> None:
    assert made[0][family] == made[1][family]
