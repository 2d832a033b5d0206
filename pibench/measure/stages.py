"""The stages of a cell: the dense model, the method's compressed model, and the model as its engine serves it.

Dense and compressed models are kept in the run's cache. A record is the last stage (:mod:`pibench.measure.accuracy`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from pibench.measure.plan import Cell
from pibench.measure.workbench import Workbench
from pibench.methods.contract import Skip, accepted
from pibench.methods.registry import METHODS
from pibench.model.architecture import Architecture
from pibench.model.backbones.backbone import build_model
from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.training.budget import Budget
from pibench.training.spending import counted
from pibench.training.tune import TUNED_SEEDS, Run, fine_tune, tune

TUNED_SEED = TUNED_SEEDS[0]
"""The first seed at which a task's learning rate is chosen."""


@dataclass(frozen=True)
class Dense:
    """The dense model of a task and seed, and how it was tuned (see :meth:`pibench.training.tune.Tuned.report`).

    Beside the classifier, the weights ``tuning["drawn"]`` were drawn from the seed: the checkpoint lacks them.
    """

    model: Model
    tuning: dict[str, Any]


def dense(bench: Workbench, cell: Cell) -> Dense:
    """Return the dense model of the cell's task and seed, tuned on the selection split."""
    kept = bench.dense_models.cached(
        f"{cell.task}-dense-s{cell.seed}", _dense_key(bench, cell), lambda: _tuned(bench, cell)
    )
    return Dense(_unpacked(bench, kept), kept["tuning"])


def _tuned(bench: Workbench, cell: Cell) -> dict[str, Any]:
    def run(seed: int, rate: float, epochs: int) -> Run:
        return _trained(bench, cell.task, seed, rate, epochs)[1]

    tuned = tune(run, cell.seed, bench.plan.profile.grid)
    kept, _ = _trained(bench, cell.task, cell.seed, tuned.chosen.learning_rate, tuned.chosen.epochs)
    return kept | {"tuning": tuned.report() | {"drawn": sorted(bench.backbone.lacking)}}


def _trained(bench: Workbench, task: str, seed: int, rate: float, epochs: int) -> tuple[dict[str, Any], Run]:
    """Return the model of one training run, packed, and the run; it is kept, so that tuning can go on."""
    data = bench.task(task, seed).data
    budget = replace(bench.plan.budget, epochs=epochs, learning_rate=rate, seed=seed)

    def make() -> dict[str, Any]:
        model, run = fine_tune(lambda: build_model(bench.backbone, data.task.outputs, seed), data, budget)
        return {"model": _packed(model), "run": asdict(run)}

    name = f"{task}-tuning-s{seed}-{rate:g}-{epochs}"
    kept = bench.dense_models.cached(name, [*_data_key(bench, task, seed), rate, epochs], make)
    spent = {part: Spent(**kept["run"][part]) for part in ("kept", "spent")}
    return kept["model"], Run(**kept["run"] | spent)


def compressed(bench: Workbench, cell: Cell, budget: Budget | None = None) -> Model | Skip:
    """Return the method's compressed model, made within the cell's budget or the given one."""
    kept = _compressed(bench, cell, budget or bench.budget(cell))
    return Skip(kept["skip"]) if "skip" in kept else _unpacked(bench, kept)


def spent(bench: Workbench, cell: Cell) -> dict[str, Any]:
    """Return what training the cell's model has had since the dense model, and all that the method did, as JSON types.

    Raises:
        KeyError: the method skipped the cell.
    """
    kept = _compressed(bench, cell, bench.budget(cell))
    return {"returned": kept["spent"], "total": kept["total"]}


def _compressed(bench: Workbench, cell: Cell, budget: Budget) -> dict[str, Any]:
    method = METHODS[cell.method]

    def make() -> dict[str, Any]:
        data = replace(bench.task(cell.task, cell.seed).data, cache=bench.models_of(cell.method))
        start = dense(bench, cell).model
        with counted() as count:
            made = accepted(method.compress(start, data, budget, cell.variant), data, budget)
        return {"skip": made.reason} if isinstance(made, Skip) else _packed(made) | {"total": asdict(count.total)}

    parts = [_dense_key(bench, cell), asdict(budget), cell.method, method.info.version]
    name = f"{cell.task}-{cell.method}-{cell.variant.name}-s{cell.seed}"
    key = [*parts, cell.variant.name, dict(cell.variant.options)]
    return bench.models_of(cell.method).cached(name, key, make)


def served(bench: Workbench, cell: Cell) -> Model | Skip:
    """Return the compressed model as the cell's engine serves it: the same function, inside the engine's domains."""
    made = compressed(bench, cell)
    if isinstance(made, Skip):
        return made
    data = bench.task(cell.task, cell.seed).data
    return bench.engine(cell.engine).prepared(made, data.selection, data.pad_id)


def _dense_key(bench: Workbench, cell: Cell) -> list[Any]:
    """Return what a dense model depends on besides the backbone and the code, as JSON types."""
    return [*_data_key(bench, cell.task, cell.seed), asdict(bench.plan.profile.grid)]


def _data_key(bench: Workbench, task: str, seed: int) -> list[Any]:
    """Return what every training run depends on besides the backbone and the code, as JSON types."""
    plan, budget = bench.plan, bench.plan.budget
    fingerprint = bench.task(task, seed).data.fingerprint
    return [task, fingerprint, plan.seq_len, plan.profile.selection, budget.examples, budget.batch_size, seed]


def _packed(model: Model) -> dict[str, Any]:
    return {
        "architecture": model.architecture.spec(),
        "state": model.state_dict(),
        "notes": model.notes,
        "spent": asdict(model.spent),
    }


def _unpacked(bench: Workbench, kept: dict[str, Any]) -> Model:
    architecture = Architecture.from_spec(kept["architecture"])
    model = build_model(bench.backbone, architecture.outputs).rebuilt(architecture)
    model.load_state_dict(kept["state"])
    model.notes, model.spent = kept["notes"], Spent(**kept["spent"])
    return model.eval()
