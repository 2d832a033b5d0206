from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ig3d import search as searching
from ig3d.method import compress_by
from ig3d.search import Search, advance
from ig3d.sensitivity import measure
from ig3d.threshold import DIMENSIONS, planned, trajectory, unchanged_plan
from pibench.disk import Cache
from pibench.methods.trajectory import Trajectory
from pibench.model.module import Model
from pibench.tasks.batches import pad
from pibench.training.budget import Budget
from tests.conftest import MakeData, MakeModel

BUDGET = Budget(epochs=2, examples=16, batch_size=8, learning_rate=1e-3)


@pytest.fixture
def found(make_model: MakeModel, make_data: MakeData, tmp_path: Path) -> Callable[..., Search]:
    dense, data = make_model(), make_data()
    steps = trajectory(dense.architecture, measure(dense, data, DIMENSIONS, "taylor", 0), data.seq_len)
    return lambda folder=None: Search(dense, data, BUDGET, steps, folder)


def test_the_notes_hold_the_whole_trajectory(found: Callable[..., Search]) -> None:
    model = found().within(100.0)
    notes = model.notes
    assert notes["within"] is True
    found_again = Trajectory.of(notes)
    assert found_again and found_again.notes() == notes == json.loads(json.dumps(notes))
    assert len(notes["stages"]) == len(searching.STAGES)
    assert [stage["megabytes"] for stage in notes["stages"]] == sorted(
        (stage["megabytes"] for stage in notes["stages"]), reverse=True
    )
    assert notes["chosen"]["megabytes"] == notes["stages"][-1]["megabytes"]
    assert notes["chosen"]["tau"] in [move[3] for move in notes["moves"]]


def test_a_tighter_tolerance_gives_a_dearer_model_or_the_same(
    found: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([90.0, 89.5, 88.0, 85.0, 84.0, 81.0, 80.0])  # dense, then the six stages
    real: dict[str, float] = {}

    def pretend(model: Model, data: object) -> float:
        key = model.fingerprint()
        if key not in real:
            real[key] = next(scores, 80.0)
        return real[key]

    monkeypatch.setattr(searching, "selection_score", pretend)
    monkeypatch.setattr(searching, "recover", lambda student, *rest, **named: student)
    search = found()
    sizes = {tolerance: search.within(tolerance).notes["chosen"]["megabytes"] for tolerance in (0.1, 1.0, 2.3, 6.0)}
    assert sizes[0.1] == sizes[1.0] > sizes[2.3] > sizes[6.0]
    assert search.within(0.5).notes["chosen"] == search.within(0.1).notes["chosen"]  # 90.0 - 89.5 is no more than 0.5
    assert search.within(0.1).notes["chosen"]["score"] == 89.5  # the best, though it is outside
    within = {tolerance: search.within(tolerance).notes["within"] for tolerance in (0.1, 0.5, 1.0, 2.3)}
    assert within == {0.1: False, 0.5: True, 1.0: True, 2.3: True}
    assert search.within(0.1).fingerprint() == search.within(1.0).fingerprint(), "one model can serve two tolerances"


def test_advancing_follows_the_plan_and_pruning_alone_is_masking(
    found: Callable[..., Search], make_model: MakeModel, make_data: MakeData
) -> None:
    dense, data = make_model(), make_data()
    losses = measure(dense, data, ("heads",), "taylor", 0)
    steps = trajectory(dense.architecture, losses, data.seq_len)
    middle, last = steps[2], steps[-1]
    half = advance(dense, unchanged_plan(dense.architecture), middle.plan, data, 0)
    model = advance(half, middle.plan, last.plan, data, 0)
    assert model.architecture == planned(dense.architecture, last.plan)
    gates = torch.tensor([[float(head in layer.heads) for head in range(4)] for layer in last.plan])
    batch = pad(data.selection, range(8), 0)
    inputs = batch.input_ids, batch.token_type_ids, batch.keep
    with torch.no_grad():
        torch.testing.assert_close(model(*inputs).logits, dense(*inputs, gates=gates).logits, rtol=0, atol=1e-5)


def test_a_search_goes_on_where_it_was_cut(
    make_model: MakeModel, make_data: MakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, data = make_model(), replace(make_data(), cache=Cache(tmp_path))

    def run() -> Model:
        return compress_by(DIMENSIONS, dense, data, BUDGET, 2.3)

    whole_run = compress_by(DIMENSIONS, dense, replace(data, cache=Cache()), BUDGET, 2.3)
    trained: list[int] = []
    real = searching.recover

    def cut(*arguments: Any, **named: Any) -> Model:
        trained.append(1)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(searching, "recover", cut)
    with pytest.raises(KeyboardInterrupt):
        run()
    resumed = run()
    assert resumed.architecture == whole_run.architecture
    # Not to the bit: matrix products depend on where in memory a weight lies.
    torch.testing.assert_close(resumed.state_dict(), whole_run.state_dict(), atol=1e-4, rtol=1e-3)
    before = len(trained)
    assert run().fingerprint() == resumed.fingerprint()
    assert len(trained) == before, "what is on disk was trained again"


def test_a_trajectory_recorded_without_the_verdict_can_be_read(found: Callable[..., Search]) -> None:
    notes = found().within(100.0).notes
    old = Trajectory.of({key: value for key, value in notes.items() if key != "within"})
    assert old and old.within and old.notes() == notes
