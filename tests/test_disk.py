from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pibench.disk import Cache, save, save_text
from pibench.errors import InputError


def test_what_is_saved_is_read_as_weights_only_and_nothing_else_is_left(tmp_path: Path) -> None:
    save({"numbers": torch.ones(2), "notes": [1, "a"]}, tmp_path / "new" / "file.pt")
    back = torch.load(tmp_path / "new" / "file.pt", weights_only=True)
    assert torch.equal(back["numbers"], torch.ones(2))
    assert back["notes"] == [1, "a"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.pt"]


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.pt"
    save(1, path)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"cannot write .*file\.pt \(No space left on device\): free some space"):
        save(2, path)
    assert torch.load(path, weights_only=True) == 1
    assert [left.name for left in tmp_path.iterdir()] == ["file.pt"]


def test_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path, texts = tmp_path / "file.json", [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: [save_text(text, path) for _ in range(20)], texts))
    assert path.read_text() in texts
    assert [left.name for left in tmp_path.iterdir()] == ["file.json"]


class Maker:
    """Counts how often it made something, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.calls, self._failures = 0, failures

    def __call__(self) -> dict[str, object]:
        self.calls += 1
        if self.calls <= self._failures:
            raise FloatingPointError("diverged")
        return {"calls": self.calls, "weights": torch.ones(2)}


def test_a_cache_makes_each_key_once(tmp_path: Path) -> None:
    make, cache = Maker(), Cache(tmp_path)
    assert cache.cached("a", ["key", 1], make)["calls"] == cache.cached("a", ["key", 1], make)["calls"] == 1
    assert cache.cached("a", ["key", 2], make)["calls"] == 2
    assert cache.cached("b/c", ["key", 1], make)["calls"] == 3
    assert Cache(tmp_path).cached("a", ["key", 1], make)["calls"] == 1
    assert make.calls == 3


def test_a_cache_that_reuses_nothing_makes_it_once_again(tmp_path: Path) -> None:
    make = Maker()
    Cache(tmp_path).cached("a", 1, make)
    fresh = Cache(tmp_path, reuse=False)
    assert [fresh.cached("a", 1, make)["calls"] for _ in range(2)] == [2, 2]


def test_a_cache_without_a_folder_keeps_nothing() -> None:
    make = Maker()
    assert [Cache().cached("a", 1, make)["calls"] for _ in range(2)] == [1, 2]


def test_what_failed_fails_again_in_this_run_and_is_tried_in_the_next(tmp_path: Path) -> None:
    make, cache = Maker(failures=1), Cache(tmp_path)
    for _ in range(2):
        with pytest.raises(FloatingPointError, match="diverged"):
            cache.cached("a", 1, make)
    assert make.calls == 1
    assert Cache(tmp_path).cached("a", 1, make)["calls"] == 2
