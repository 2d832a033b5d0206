"""Data of one's own from a file to the tables, between real parties."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibench.results.records import read_all
from pibench.testing.models import save_checkpoint, tiny_bert

ROOT = Path(__file__).resolve().parents[1]
GRADES = """name = "grades"
data = "made-up reviews"
train = "grades.csv"
validation_share = 0.2
texts = ["first", "second"]
label = "grade"
scores = [0, 100]
metrics = ["pearsonr", "spearmanr"]
"""


@pytest.mark.mpc
def test_classes_and_scores_go_from_a_file_to_the_tables(tmp_path: Path) -> None:
    backbone = save_checkpoint(tiny_bert(), tmp_path / "backbone")
    letters = "abcdefghij"
    rows = [f"{letters[i % 10]} {letters[i // 10]};{letters[i // 10]};{10 * (i % 10)}" for i in range(60)]
    (tmp_path / "grades.csv").write_text("\n".join(["first;second;grade", *rows]))
    (tmp_path / "grades.toml").write_text(GRADES)
    tasks = f"{ROOT / 'examples' / 'reviews' / 'reviews.toml'},grades.toml"
    small = ["--methods", "dense", "--mpc-examples", "2", "--engine", "lean", "--profile", "quick", "--output", "out"]
    command = [sys.executable, "-m", "pibench", "run", "--tasks", tasks, "--backbone", str(backbone), *small]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {(one["task"], one["method"]): one for one in read_all(tmp_path / "out" / "records") if "task" in one}
    assert found.keys() == {(task, method) for task in ("grades", "reviews") for method in ("dense", "transformers")}
    assert {(one["data"], one["status"]) for one in found.values()} == {("made-up reviews", "ok")}
    reviews, grades = found["reviews", "dense"], found["grades", "dense"]
    assert (reviews["metric"], reviews["n"], reviews["n_mpc"]) == ("accuracy+f1", 15, 2)
    assert (grades["metric"], grades["n"], grades["n_mpc"]) == ("pearson+spearman", 12, 2)
    table = (tmp_path / "out" / "tables" / "accuracy.md").read_text()
    assert "on made-up reviews" in table
    assert all(f"| {task} " in table for task in ("reviews", "grades"))
    assert not [path for path in (tmp_path / "out" / "tables").glob("*.md") if "GLUE" in path.read_text()]
