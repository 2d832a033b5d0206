"""The whole harness, on the built-in sample and a tiny backbone, and what it says to bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pibench.results import records
from pibench.testing.models import save_checkpoint, tiny_bert

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tiny_bert(), tmp_path_factory.mktemp("tiny") / "backbone")


def arguments(backbone: Path, *options: str) -> list[str]:
    fixed = ["-s", "-q", "-W", "default", "-p", "no:cacheprovider", "-p", "no:randomly"]
    fixed += [f"--backbone={backbone}", "--data=sample"]
    return [str(ROOT / "benchmarks"), "-c", str(ROOT / "pyproject.toml"), *fixed, *options]


def glue_folder(folder: Path, **changes: object) -> Path:
    """Write a small valid sst2 in which the columns in ``changes`` are replaced (None: left out)."""
    columns: dict[str, object] = {"sentence": ["a b"] * 20, "label": [0, 1] * 10} | changes
    (folder / "sst2").mkdir(parents=True)
    table = pa.table({name: values for name, values in columns.items() if values is not None})
    for split in ("train", "validation"):
        pq.write_table(table, folder / "sst2" / f"{split}.parquet")
    return folder


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tasks=sst3"], ["unknown task 'sst3'", "sst2"]),
        (["--tasks="], ["--tasks is empty"]),
        (["--methods=dense,polysoftmax"], ["unknown method 'polysoftmax'", "poly_softmax"]),
        (["--profile=fulll"], ["unknown profile 'fulll'", "full"]),
        (["--engine=spdz"], ["unknown engine 'spdz'", "crypten"]),
        (["--network=fast"], ["'fast' is not a network", "wan"]),
        (["--seeds=one"], ["--seeds 'one' is not a whole number"]),
        (["--seq-len=2"], ["--seq-len '2'"]),
        (["--recovery=prayer"], ["unknown recovery 'prayer'", "distill, finetune"]),
        (["--dealer=nobody"], ["unknown dealer 'nobody'", "third-party"]),
        (["--dealer=third-party", "--listen=a:1"], ["--dealer third-party", "--listen"]),
        (["--mpc-examples=-1"], ["--mpc-examples '-1'"]),
        (["--seq-len=41"], ["--seq-len 41", "position table", "40"]),
        (["--backbone=./no-such-folder"], ["backbone './no-such-folder'"]),
        (["--port=abc"], ["--port 'abc' is not a whole number from 1 to 65535"]),
        (["--deadline=nan"], ["--deadline 'nan'"]),
        (["--output="], ["--output is empty"]),
        (["--benchmark-disable"], ["--benchmark-disable", "leave it out"]),
        (["-p", "no:benchmark"], ["add -p benchmark"]),
        (["--data=folder", "--glue-dir=no-such-folder"], ["no-such-folder"]),
    ],
)
def test_bad_options_end_the_run_with_one_sentence(
    backbone: Path,
    options: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    check_refused(backbone, options, words, tmp_path, monkeypatch, capfd)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": None}, ["label", "train.parquet"]),
        ({"sentence": [], "label": pa.array([], pa.int64())}, ["train.parquet"]),
        ({"label": [0, 2] * 10}, ["label", "train.parquet"]),
    ],
)
def test_bad_data_ends_the_run_with_one_sentence(
    backbone: Path,
    changes: dict[str, object],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    glue = glue_folder(tmp_path / "glue", **changes)
    options = ["--tasks=sst2", "--data=folder", f"--glue-dir={glue}"]
    check_refused(backbone, options, words, tmp_path, monkeypatch, capfd)


def test_corrupt_data_and_a_folder_that_takes_no_file(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    glue = glue_folder(tmp_path / "glue")
    (glue / "sst2" / "validation.parquet").write_bytes(b"no parquet")
    options = ["--tasks=sst2", "--data=folder", f"--glue-dir={glue}"]
    check_refused(backbone, options, ["validation.parquet"], tmp_path, monkeypatch, capfd)
    (tmp_path / "file").write_text("")
    options = [f"--output={tmp_path / 'file' / 'results'}"]
    check_refused(backbone, options, ["cannot write to", "choose another folder"], tmp_path, monkeypatch, capfd)


def check_refused(
    backbone: Path,
    options: list[str],
    words: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    status = pytest.main(arguments(backbone, *options))
    captured = capfd.readouterr()
    said = [line for line in (captured.out + captured.err).splitlines() if line.startswith("ERROR")]
    assert status == pytest.ExitCode.USAGE_ERROR
    assert len(said) == 1
    assert all(word in said[0] for word in words)
    assert "Traceback" not in captured.out + captured.err


def run(backbone: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start a bench that an interrupt ends, also where a shell runs these tests in the background and ignores it."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments(backbone, "--tasks=sst2", "--output=out", *options)],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no other thread runs)
    )


def stored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "out" / "records").rglob("*.json")}


@pytest.mark.mpc
def test_an_interrupted_run_resumes_and_a_broken_plugin_stops_nothing(backbone: Path, tmp_path: Path) -> None:
    methods = "--methods=dense/exact,gelu_substitution"
    interrupted = run(backbone, tmp_path, methods)
    end = time.monotonic() + 240
    while not stored(tmp_path) and time.monotonic() < end:
        time.sleep(0.1)
    interrupted.send_signal(signal.SIGINT)
    said = interrupted.communicate(timeout=60)[0]
    before = stored(tmp_path)
    assert interrupted.returncode == pytest.ExitCode.INTERRUPTED
    assert "--resume" in said
    assert before

    resumed = run(backbone, tmp_path, methods, "--resume")
    said = resumed.communicate(timeout=240)[0]
    after = stored(tmp_path)
    assert resumed.returncode == 0, said
    assert before.items() <= after.items(), "a finished cell was measured again"
    titles = ("Accuracy in float", "Latency", "Communication")
    assert all(f"### {title}" in said for title in titles)
    assert said.count("(sample, not GLUE)") == len(titles)
    assert "min left" in said
    found = records.read_all(tmp_path / "out" / "records")
    assert {record["status"] for record in found} == {"ok"}
    assert {record["kind"] for record in found} == {"accuracy", "cost"}
    assert all(record["seconds"] for record in found if record["kind"] == "cost")

    install_broken_plugin(tmp_path)
    broken = run(backbone, tmp_path, "--methods=dense/exact,broken", "--resume", "-k", "accuracy")
    said = broken.communicate(timeout=120)[0]
    assert broken.returncode == pytest.ExitCode.TESTS_FAILED
    assert "failed to import" in said and "no such wheel" in said
    assert after.items() <= stored(tmp_path).items()
    (failed,) = [record for record in records.read_all(tmp_path / "out" / "records") if record["status"] != "ok"]
    assert (failed["method"], failed["status"], failed["float"]) == ("broken", "failed", None)


def test_what_is_logged_is_seen_once(backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without git no commit is known
    options = ("--methods=dense/exact", "--mpc-examples=0", "--engine=lean", "-k", "accuracy")
    said = run(backbone, tmp_path, *options).communicate(timeout=240)[0]
    assert said.count("note: no commit is known") == 1
    assert "cannot be cited" in said


def install_broken_plugin(folder: Path) -> None:
    (folder / "broken_plugin.py").write_text("raise ImportError('no such wheel')")
    information = folder / "broken_plugin-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[pibench.methods]\nbroken = broken_plugin:Broken\n")


@pytest.mark.parametrize(("option", "shown"), [("--tb=auto", False), ("--tb=long", True), ("-vvv", True)])
def test_a_failed_cell_shows_its_traceback_on_request(backbone: Path, tmp_path: Path, option: str, shown: bool) -> None:
    install_broken_plugin(tmp_path)
    said = run(backbone, tmp_path, "--methods=broken", "-k", "accuracy", option).communicate(timeout=120)[0]
    assert "ImportError: no such wheel (broken_plugin.py:1)" in said
    assert ("broken_plugin.py:1: ImportError" in said) is shown


@pytest.mark.mpc
def test_a_cell_out_of_time_is_a_timeout_and_the_next_one_runs(backbone: Path, tmp_path: Path) -> None:
    slow = run(backbone, tmp_path, "--methods=dense/exact", "--deadline=0.05", "-k", "accuracy or reference")
    said = slow.communicate(timeout=240)[0]
    assert slow.returncode == pytest.ExitCode.TESTS_FAILED, said
    found = {record["method"]: record for record in records.read_all(tmp_path / "out" / "records")}
    assert found["dense"]["status"] == "timeout"
    assert "gave no answer" in found["dense"]["error"]
    assert found["transformers"]["status"] == "ok"
    table = (tmp_path / "out" / "tables" / "accuracy.md").read_text()
    assert "timeout" in table
    assert json.dumps(found["dense"]["float"]) == "null"


def test_studies_of_methods_write_their_records(backbone: Path, tmp_path: Path) -> None:
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    studies = [str(ROOT / "benchmarks" / "studies" / name) for name in ("test_importance.py", "test_ablation.py")]
    options = ["--tasks=sst2", "--methods=dense/exact", "--output=out", "--studies=studies"]
    command = [sys.executable, "-m", "pytest", *studies, *arguments(backbone, *options)[1:]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {record["name"]: record["rows"] for record in records.read_all(tmp_path / "studies")}
    assert {row["importance"] for row in found["importance"]} >= {"integrated_gradients", "taylor", "random"}
    ablations = [row["ablation"] for row in found["methods_ablation"]]
    assert {"heads", "heads+softmax", "heads+softmax+gelu", "separate thresholds", "importance: taylor"} <= set(
        ablations
    )
    assert all(row["bytes_total"] < row["dense_bytes_total"] for row in found["methods_ablation"])
