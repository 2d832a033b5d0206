import builtins
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pibench import plugins
from pibench.errors import InputError
from pibench.tasks import sources
from pibench.tasks.glue import REVISION, hub
from pibench.tasks.load import load, sealed
from pibench.tasks.registry import TASKS, in_order
from pibench.tasks.task import Examples, Hub, RawTask, Task

SENTENCES = ["a fine day", "day fine a", "he sleeps", "sleeps he"]
LABELS = [1, 0, 1, 0]
SCORES = [0.0, 5.0, 2.5, 3.75]
REACHABLE = sources.reachable  # before the fixture below replaces it


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIBENCH_GLUE_DIR", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sources, "reachable", lambda hub: False)
    monkeypatch.setattr(sources, "_download", lambda hub: pytest.fail("asked the network"))


def write(root: Path, name: str, **changes: Any) -> Path:
    """Write both splits of a task; a column given as None is left out of the train split."""
    task = TASKS[name]
    columns = {**dict.fromkeys(task.columns, SENTENCES), "label": SCORES if task.regression else LABELS}
    for split in ("train", task.validation):
        path = root / name / f"{split}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), path)
    train = {key: value for key, value in {**columns, **changes}.items() if value is not None}
    pq.write_table(pa.table(train), root / name / "train.parquet")
    return root


TENTH = Task("tenth", ("text",), 2, ("accuracy",), generate=lambda rng, label: (f"{label} {rng.random()}",), seeds=2)
LIKE_COLA = Task("like_cola", ("sentence",), 2, ("matthews",))


def plug(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Install tasks of this module beside GLUE's for the length of a test."""
    own = [EntryPoint(name, f"tests.test_glue:{name.upper()}", TASKS.group) for name in names]
    every = plugins.registered
    monkeypatch.setattr(plugins, "registered", lambda group: [*every(group), *(own if group == TASKS.group else [])])
    monkeypatch.setattr(TASKS, "_loaded", {})


def test_a_tenth_task_is_an_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plug(monkeypatch, "tenth")
    assert TASKS["tenth"] is TENTH
    assert in_order(["unknown", "tenth", "rte", "cola", "rte"]) == ["cola", "rte", "tenth", "unknown"]
    assert load("tenth", source="sample").source == "sample"
    folder = tmp_path / "tenth"
    folder.mkdir()
    for split in ("train", "validation"):
        pq.write_table(pa.table({"text": SENTENCES, "label": LABELS}), folder / f"{split}.parquet")
    assert load("tenth", tmp_path).source == TENTH.suite  # it is published nowhere else
    with pytest.raises(InputError, match="task 'tenth' is not on the hub: name a folder"):
        load("tenth", source="hub")


def test_a_task_without_data_has_no_sample_to_fall_back_on(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, "like_cola")
    with pytest.raises(InputError, match="is not on the hub"):
        load("like_cola")


def test_listing_tasks_imports_none_of_them() -> None:
    program = "import sys; from pibench.tasks.registry import TASKS; print(*TASKS, 'pibench.tasks.glue' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["wnli", "False"]


def test_nothing_is_loaded_where_it_is_sealed() -> None:
    with sealed(), pytest.raises(InputError, match="the validation split must not be seen"):
        load("rte", source="sample")


def test_tasks_have_the_columns_and_metrics_of_glue() -> None:
    assert in_order(TASKS) == ["cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli"]
    assert {name: len(task.columns) for name, task in TASKS.items() if len(task.columns) == 1} == {
        "cola": 1,
        "sst2": 1,
    }
    assert [name for name, task in TASKS.items() if task.regression] == ["stsb"]
    assert TASKS["mnli"].outputs == 3
    assert TASKS["mnli"].validation == "validation_matched"
    assert TASKS["qqp"].metrics == ("accuracy", "f1")


@pytest.mark.parametrize(("name", "near"), [("SST-2", "sst2"), ("colla", "cola"), ("mnlii", "mnli")])
def test_an_unknown_task_names_the_nearest_and_all(name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{near}'.*cola, mnli, .*wnli"):
        _ = TASKS[name]


def test_a_name_near_to_nothing_gets_no_suggestion() -> None:
    with pytest.raises(InputError, match=r"^unknown task 'xyz': use one of cola"):
        load("xyz")


@pytest.mark.parametrize("name", TASKS)
def test_a_folder_is_read_for_every_task(tmp_path: Path, name: str) -> None:
    raw = load(name, write(tmp_path, name))
    assert (len(raw.train), len(raw.validation), raw.source) == (4, 4, "own")
    assert raw.train.texts[1] == ("day fine a",) * len(TASKS[name].columns)
    assert raw.validation.labels == tuple(SCORES if name == "stsb" else LABELS)


def test_the_environment_names_the_folder_and_the_argument_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIBENCH_GLUE_DIR", str(write(tmp_path, "rte")))
    assert load("rte").source == "own"
    assert load("rte", source="folder").source == "own"
    assert load("rte", source="sample").source == "sample"
    with pytest.raises(InputError, match="elsewhere does not exist"):
        load("rte", tmp_path / "elsewhere")


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    root = tmp_path / "label=7"
    root.mkdir()
    assert load("rte", write(root, "rte")).train.labels == tuple(LABELS)


def test_a_named_folder_without_the_task_is_an_error_and_no_sample(tmp_path: Path) -> None:
    write(tmp_path, "rte")
    with pytest.raises(InputError, match=r"mnli.train\.parquet is missing"):
        load("mnli", tmp_path)
    (tmp_path / "rte" / "validation.parquet").unlink()
    with pytest.raises(InputError, match=r"rte.validation\.parquet is missing"):
        load("rte", tmp_path)


def test_a_source_that_is_unknown_or_has_no_folder() -> None:
    with pytest.raises(InputError, match="unknown source 'disk': use one of auto, folder, hub, sample"):
        load("rte", source="disk")
    with pytest.raises(InputError, match="no GLUE folder is named"):
        load("rte", source="folder")


@pytest.mark.parametrize("content", [b"", b"PAR1 no parquet at all PAR1"])
def test_a_corrupt_file(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path, "rte") / "rte" / "train.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"train\.parquet is (empty|not readable as parquet)"):
        load("rte", tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("rte", {"sentence2": None}, r"train\.parquet lacks the column 'sentence2'"),
        ("rte", {"label": None}, "lacks the column 'label'"),
        (
            "rte",
            {
                "sentence1": pa.array([], pa.string()),
                "sentence2": pa.array([], pa.string()),
                "label": pa.array([], pa.int64()),
            },
            r"train\.parquet is empty",
        ),
        ("rte", {"sentence1": ["a", "b", None, "d"]}, "column 'sentence1' of .* is null in row 2"),
        ("rte", {"sentence1": [1, 2, 3, 4]}, "column 'sentence1' of .* holds int64, not text"),
        ("rte", {"label": [0, 1, 1, -1]}, "label in row 3 of .* is -1, outside 0 to 1"),
        ("rte", {"label": [0, 2, 1, 1]}, "label in row 1 of .* is 2, outside 0 to 1"),
        ("mnli", {"label": [0, 2, 1, 3]}, "label in row 3 of .* is 3, outside 0 to 2"),
        ("rte", {"label": [0.5, 1.0, 0.0, 1.0]}, "labels of .* are double, not integers"),
        ("rte", {"label": ["0", "1", "0", "1"]}, "labels of .* are string, not integers"),
        ("rte", {"label": [0, None, 1, 1]}, "column 'label' of .* is null in row 1"),
        ("stsb", {"label": [0.0, 1.0, float("nan"), 2.0]}, "label in row 2 of .* is nan, outside 0 to 5"),
        ("stsb", {"label": [5.5, 1.0, 2.0, 2.0]}, "label in row 0 of .* is 5.5, outside 0 to 5"),
        ("stsb", {"label": [0.0, 1.0, 2.0, -0.5]}, "label in row 3 of .* is -0.5, outside 0 to 5"),
        ("stsb", {"label": ["0", "1", "0", "1"]}, "labels of .* are string, not numbers"),
    ],
)
def test_malformed_data(tmp_path: Path, name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(name, write(tmp_path, name, **changes))


def raw_task(texts: tuple[tuple[str, ...], ...] = (("a",), ("b",)), label: int = 1) -> RawTask:
    return RawTask(TASKS["cola"], Examples(texts, (0, label)), Examples((("c",),), (1,)), "glue")


def test_a_fingerprint_is_stable_and_sees_every_change() -> None:
    assert raw_task().fingerprint == raw_task().fingerprint == "1f84768fb71f59a9"
    others = {
        raw_task(label=0).fingerprint,
        raw_task((("b",), ("a",))).fingerprint,
        raw_task((("a", "b"),)).fingerprint,
    }
    assert len(others | {raw_task().fingerprint}) == 4


def test_without_folder_and_hub_comes_the_sample_with_one_notice(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="pibench"):
        raw = load("rte")
    assert raw.source == "sample"
    (record,) = caplog.records
    assert "built-in sample, which is not GLUE" in record.message
    assert "\n" not in record.message
    assert load("rte").fingerprint == raw.fingerprint


def test_a_hub_out_of_reach_is_an_error_if_it_was_asked_for() -> None:
    with pytest.raises(InputError, match="out of reach and not in the cache: connect, or name a folder"):
        load("rte", source="hub")


def test_without_datasets_comes_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_datasets(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("datasets"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_datasets)
    with pytest.raises(InputError, match=r"pip install 'pibench\[hub\]'"):
        load("rte", source="hub")
    assert load("rte").source == "sample"


def test_a_failing_download_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(hub: Hub) -> None:
        raise ConnectionError("reset")

    monkeypatch.setattr(sources, "reachable", lambda hub: True)
    monkeypatch.setattr(sources, "_download", fail)
    with pytest.raises(InputError, match=r"hub failed \(ConnectionError\): connect"):
        load("rte", source="hub")


def test_the_hub_is_read_through_datasets_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    columns = {"premise": SENTENCES, "hypothesis": SENTENCES, "label": [0, 1, 2, 0], "idx": [0, 1, 2, 3]}
    split = datasets.Dataset.from_dict(columns)
    unlabelled = datasets.Dataset.from_dict({**columns, "label": [-1] * 4})
    splits = {"train": split, "validation_matched": split, "test_matched": unlabelled}
    monkeypatch.setattr(sources, "reachable", lambda hub: True)
    monkeypatch.setattr(sources, "_download", lambda hub: splits)
    raw = load("mnli")
    assert (raw.source, raw.train.labels, raw.validation.texts[3]) == (
        "glue",
        (0, 1, 2, 0),
        ("sleeps he",) * 2,
    )
    splits["train"] = unlabelled
    with pytest.raises(InputError, match=r"row 0 of nyu-mll/glue mnli/train is -1"):
        load("mnli")


def test_the_pinned_revision_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    from datasets.packaged_modules.parquet.parquet import Parquet

    cache = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    for revision, labels in ((REVISION, LABELS), ("later", LABELS[::-1])):
        write(tmp_path, "rte", label=labels)
        files = {split: str(tmp_path / "rte" / f"{split}.parquet") for split in ("train", "validation")}
        builder = Parquet(dataset_name="glue", cache_dir=str(tmp_path), hash=revision, data_files=files)
        builder.download_and_prepare(str(cache / "nyu-mll___glue" / "rte" / "0.0.0" / revision))
    raw = load("rte", source="hub")
    assert (raw.source, raw.train.labels) == ("glue", tuple(LABELS))


class LocalHub(BaseHTTPRequestHandler):
    status = 200

    def do_HEAD(self) -> None:
        self.send_response(self.status if REVISION in self.path else 404)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the test output clean."""


@pytest.fixture
def local_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from huggingface_hub import constants

    with HTTPServer(("127.0.0.1", 0), LocalHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


@pytest.mark.usefixtures("local_hub")
def test_a_hub_that_answers_is_reachable_unless_offline_mode_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert REACHABLE(hub("rte"))
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert not REACHABLE(hub("rte"))
    monkeypatch.setattr(LocalHub, "status", 503)
    assert not REACHABLE(hub("rte"))


def test_an_unreachable_hub_is_given_up_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    released = threading.Event()
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: released.wait(30))
    start = time.monotonic()
    assert not REACHABLE(hub("rte"), seconds=0.2)
    assert time.monotonic() - start < 5
    released.set()
