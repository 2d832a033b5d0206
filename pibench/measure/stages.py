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
from pibench.training.budget import Budget
from pibench.training.tune import Grid, tune

TUNED_SEED = 0
"""The seed at which a task's learning rate is chosen."""


@dataclass(frozen=True)
class Dense:
    """The dense model of a task and seed, and how it was tuned (see :meth:`pibench.training.tune.Tuned.report`).

    Beside the classifier, the weights ``tuning["drawn"]`` were drawn from the seed: the checkpoint lacks them.
    """

    model: Model
    tuning: dict[str, Any]


def dense(bench: Workbench, cell: Cell) -> Dense:
    """Return the dense model of the cell's task and seed, tuned on the selection split."""

    def make() -> dict[str, Any]:
        data = bench.task(cell.task, cell.seed).data
        tuned = tune(
            lambda: build_model(bench.backbone, data.task.outputs, cell.seed),
            data,
            bench.budget(cell),
            grid(bench, cell),
        )
        return _packed(tuned.model) | {"tuning": tuned.report() | {"drawn": sorted(bench.backbone.lacking)}}

    kept = bench.dense_models.cached(f"{cell.task}-dense-s{cell.seed}", _dense_key(bench, cell), make)
    return Dense(_unpacked(bench, kept), kept["tuning"])


def grid(bench: Workbench, cell: Cell) -> Grid:
    """Return the whole grid for the first seed; the other seeds take its learning rate and only choose their epoch."""
    whole = bench.plan.profile.grid
    if cell.seed == TUNED_SEED:
        return whole
    return replace(whole, learning_rates=(dense(bench, replace(cell, seed=TUNED_SEED)).tuning["learning_rate"],))


def compressed(bench: Workbench, cell: Cell, budget: Budget | None = None) -> Model | Skip:
    """Return the method's compressed model, made within the cell's budget or the given one."""
    method, spent = METHODS[cell.method], budget or bench.budget(cell)

    def make() -> dict[str, Any]:
        data = replace(bench.task(cell.task, cell.seed).data, cache=bench.models_of(cell.method))
        made = accepted(method.compress(dense(bench, cell).model, data, spent, cell.variant), data.task.outputs)
        return {"skip": made.reason} if isinstance(made, Skip) else _packed(made)

    parts = [_dense_key(bench, cell), asdict(spent), cell.method, method.info.version]
    name = f"{cell.task}-{cell.method}-{cell.variant.name}-s{cell.seed}"
    kept = bench.models_of(cell.method).cached(name, [*parts, cell.variant.name, dict(cell.variant.options)], make)
    return Skip(kept["skip"]) if "skip" in kept else _unpacked(bench, kept)


def served(bench: Workbench, cell: Cell) -> Model | Skip:
    """Return the compressed model as the cell's engine serves it: the same function, inside the engine's domains."""
    made = compressed(bench, cell)
    if isinstance(made, Skip):
        return made
    data = bench.task(cell.task, cell.seed).data
    return bench.engine(cell.engine).prepared(made, data.selection, data.pad_id)


def _dense_key(bench: Workbench, cell: Cell) -> list[Any]:
    """Return what a dense model depends on besides the backbone and the code, as JSON types."""
    plan, task = bench.plan, bench.task(cell.task, cell.seed).data
    spent = [plan.budget.examples, plan.budget.batch_size, asdict(plan.profile.grid), cell.seed]
    return [cell.task, task.fingerprint, plan.seq_len, *spent]


def _packed(model: Model) -> dict[str, Any]:
    return {"architecture": model.architecture.spec(), "state": model.state_dict(), "notes": model.notes}


def _unpacked(bench: Workbench, kept: dict[str, Any]) -> Model:
    architecture = Architecture.from_spec(kept["architecture"])
    model = build_model(bench.backbone, architecture.outputs).rebuilt(architecture)
    model.load_state_dict(kept["state"])
    model.notes = kept["notes"]
    return model.eval()
