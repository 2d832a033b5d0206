"""The dense model is tuned until it no longer gains, on the selection split, and an interrupted tuning goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pibench.measure import stages
from pibench.measure.profiles import PROFILES
from pibench.measure.workbench import Workbench
from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.tasks.data import TaskData
from pibench.training import tune as tuning
from pibench.training.budget import Budget
from pibench.training.tune import Grid, Run, best_rate, fine_tune, lengthened, selection_score
from tests.conftest import MakeData, MakeModel
from tests.test_identity import CELL, checkpoint, workbench

BUDGET = Budget(epochs=3, examples=64, batch_size=8, learning_rate=3e-3)


def test_the_best_epoch_is_kept_and_ties_go_to_the_earlier_one(
    make_model: MakeModel, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([40.0, 70.0, 70.0])
    fingerprints: list[str] = []

    def pretend(model: Model, data: object) -> float:
        fingerprints.append(model.fingerprint())
        return next(scores)

    monkeypatch.setattr(tuning, "selection_score", pretend)
    model, run = fine_tune(make_model, make_data(), BUDGET)
    assert (run.scores, run.best, run.best_epoch) == ((40.0, 70.0, 70.0), 70.0, 2)
    assert model.fingerprint() == fingerprints[1]
    assert (run.kept, run.spent) == (Spent(6, 48), Spent(9, 72))
    assert model.spent == Spent(), "a method's count must begin at zero"
    assert not model.training


def test_the_score_is_that_of_the_kept_model_on_the_selection_split(make_model: MakeModel, make_data: MakeData) -> None:
    model, run = fine_tune(make_model, make_data(64), BUDGET)
    assert selection_score(model, make_data(64)) == run.best


def test_a_tuning_without_an_epoch_is_refused(make_model: MakeModel, make_data: MakeData) -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        fine_tune(make_model, make_data(), replace(BUDGET, epochs=0))


def made_up(score: float, rate: float = 1e-3, epochs: int = 1, seed: int = 0) -> Run:
    return Run(seed, rate, epochs, (score,) * epochs, Spent(1, 1), Spent(epochs, 10 * epochs))


def test_the_learning_rate_is_the_best_on_average_over_seeds() -> None:
    lucky = [made_up(90.0, 1e-3, seed=0), made_up(60.0, 1e-3, seed=1)]
    steady = [made_up(80.0, 2e-3, seed=0), made_up(80.0, 2e-3, seed=1)]
    assert best_rate([*lucky, *steady]) == 2e-3
    assert best_rate([made_up(80.0, 1e-3), made_up(80.0, 2e-3)]) == 1e-3


@pytest.mark.parametrize(
    ("scores", "most", "epochs"),
    [
        ([50.0, 60.0, 60.0, 70.0], 99, [4, 8, 16]),
        ([50.0, 49.0], 99, [4, 8]),
        ([50.0, 60.0, 70.0], 16, [4, 8, 16]),
        ([50.0, 60.0], 15, [4, 8]),
        ([50.0], 4, [4]),
    ],
)
def test_epochs_are_doubled_while_the_best_score_gains(scores: list[float], most: int, epochs: list[int]) -> None:
    left = iter(scores)
    runs = lengthened(lambda epochs: made_up(next(left), epochs=epochs), Grid((1e-3,), 4, most))
    assert [run.epochs for run in runs] == epochs


SCORES = {  # by seed, learning rate and epochs
    (0, 1e-3, 2): 70.0,
    (1, 1e-3, 2): 50.0,
    (0, 2e-3, 2): 65.0,
    (1, 2e-3, 2): 65.0,
    (0, 2e-3, 4): 75.0,
    (0, 2e-3, 8): 74.0,
    (1, 2e-3, 4): 60.0,
}


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, list[Any]]]:
    """Return a function that tunes at a seed by the scores above, and returns the result and the runs that it made."""
    monkeypatch.chdir(tmp_path)
    backbone = checkpoint(tmp_path)

    def tune(seed: int, cut_after: int = 99) -> tuple[Any, list[Any]]:
        made: list[Any] = []

        def pretend(build: Callable[[], Model], data: TaskData, budget: Budget) -> tuple[Model, Run]:
            if len(made) == cut_after:
                raise KeyboardInterrupt
            made.append((budget.seed, budget.learning_rate, budget.epochs))
            model = build()
            model.notes = {"run": list(made[-1])}
            return model, made_up(SCORES[made[-1]], budget.learning_rate, budget.epochs, budget.seed)

        monkeypatch.setattr(stages, "fine_tune", pretend)
        bench: Workbench = workbench(backbone, tmp_path / "out")
        profile = replace(bench.plan.profile, grid=Grid((1e-3, 2e-3), 2, 8))
        bench.plan = replace(bench.plan, profile=profile)
        try:
            return stages.dense(bench, replace(CELL, seed=seed)), made
        except KeyboardInterrupt:
            return None, made

    return tune


def test_two_seeds_choose_the_rate_and_each_seed_its_epochs(tuned: Callable[..., tuple[Any, list[Any]]]) -> None:
    first, made = tuned(0)
    assert made == list(SCORES)[:6]
    assert (first.tuning["learning_rate"], first.tuning["epochs"], first.tuning["best_epoch"]) == (2e-3, 4, 1)
    assert first.model.notes["run"] == [0, 2e-3, 4], "the best model of all is kept, not the last one"
    reported = [(run["seed"], run["learning_rate"], run["epochs"], max(run["scores"])) for run in first.tuning["runs"]]
    assert reported == [(*key, score) for key, score in SCORES.items()][:6]
    assert first.tuning["spent"]["returned"] == {"steps": 1, "examples": 1}
    assert first.tuning["spent"]["total"]["examples"] == 10 * (4 * 2 + 4 + 8)
    second, made = tuned(1)
    assert made == [(1, 2e-3, 4)], "the runs that chose the rate are found again"
    assert (second.tuning["learning_rate"], second.tuning["epochs"]) == (2e-3, 2)


def test_an_interrupted_tuning_goes_on_with_the_next_run(tuned: Callable[..., tuple[Any, list[Any]]]) -> None:
    nothing, before = tuned(0, cut_after=3)
    assert nothing is None
    result, after = tuned(0)
    assert before + after == list(SCORES)[:6]
    assert result.tuning["epochs"] == 4


def test_the_quick_profile_tunes_by_a_single_run() -> None:
    quick, full = (PROFILES[name].grid for name in ("quick", "full"))
    assert (len(quick.learning_rates), quick.most_epochs) == (1, quick.epochs)
    assert len(full.learning_rates) > 1 and full.most_epochs >= 4 * full.epochs


def test_a_dense_model_is_deterministic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backbone = checkpoint(tmp_path)
    found = []
    for folder in ("a", "b"):
        bench = workbench(backbone, tmp_path / "out")
        monkeypatch.setattr(type(bench.plan), "models", property(lambda plan, folder=folder: tmp_path / folder))
        made = stages.dense(bench, CELL)
        found.append((made.model.fingerprint(), made.tuning))
    assert found[0] == found[1]
    tuning = found[0][1]
    assert [run["epochs"] for run in tuning["runs"]] == [tuning["epochs"]] == [2]
    spent, run = tuning["spent"], tuning["runs"][0]
    assert spent["total"] == run["spent"]
    assert spent["returned"]["examples"] * 2 == spent["total"]["examples"] * tuning["best_epoch"]
