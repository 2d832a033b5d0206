from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pibench.disk import save, save_text
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
