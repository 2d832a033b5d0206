"""The contract of methods, checked on one of them: ``pibench check-plugin NAME``.

A small dense model is fine-tuned on the built-in sample and compressed within a tiny budget; the compressed model is
scored, saved, emulated and served. Accuracy is not judged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from pibench.checks.contract import Broken, Check, keeps, near
from pibench.engines.engine import Session
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.switches import LEAN
from pibench.engines.registry import ENGINES, HEADLINE
from pibench.measure.accuracy import embed
from pibench.measure.cost import PredictionFailed, checked
from pibench.methods.contract import Method, Skip, Variant, accepted
from pibench.methods.registry import METHODS
from pibench.model.architecture import Architecture
from pibench.model.backbones.backbone import build_model, load_backbone
from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.tasks.data import TaskData
from pibench.tasks.encode import encode_task
from pibench.tasks.load import load, sealed
from pibench.training.budget import Budget
from pibench.training.finetune import label_loss, predict, train

BUDGET = Budget(epochs=1, examples=64, batch_size=16, learning_rate=1e-4)
LAYERS, SEQ_LEN, SERVED = 2, 32, 2
FORBIDDEN = "a method must use only the data that it is given"
"""Stands where the folder of GLUE is named, so that the error of a method that reads it says this."""


@dataclass
class Bench:
    """One variant on one task: the dense model and what the method made of it."""

    method: Method
    variant: Variant
    dense: Model
    data: TaskData
    model: Model | None = None
    printed: str = ""

    def compress(self, noise: int = 0) -> Model | Skip:
        """Run the method with the global random state set by ``noise``, and with loading of tasks forbidden.

        What it prints to stdout is kept in ``printed``.
        """
        hidden = patch.dict(os.environ, PIBENCH_GLUE_DIR=FORBIDDEN)
        with torch.random.fork_rng(), sealed(), hidden, redirect_stdout(StringIO()) as stdout:
            torch.manual_seed(noise)
            made = self.method.compress(self.dense, self.data, BUDGET, self.variant)
        self.printed = stdout.getvalue()
        return made

    @property
    def made(self) -> Model:
        """The compressed model."""
        assert self.model is not None
        return self.model

    def logits(self, model: Model) -> np.ndarray:
        """Return float logits of the selection split."""
        return predict(model, self.data.selection, self.data.pad_id)


def gives_a_model(bench: Bench) -> None:
    """Compress, and keep the returned model, if there is one."""
    before = _state(bench.dense)
    result = bench.compress()
    if _state(bench.dense) != before:
        raise Broken("it changed the dense model: work on a copy, such as dense.rebuilt(...)")
    if bench.printed:
        raise Broken("it printed to stdout, which is for a command's results: print to stderr, or use logging")
    made = accepted(result, bench.data, BUDGET)
    bench.model = made if isinstance(made, Model) else None


def _state(model: Model) -> list[Any]:
    """Return what a method must leave unchanged: architecture and weights, which are trained, mode and notes."""
    trained = [value.requires_grad for value in model.parameters()]
    return [model.fingerprint(), trained, model.training, dict(model.notes)]


def gives_finite_logits(bench: Bench) -> None:
    """Check the logits of the selection split."""
    logits = bench.logits(bench.made)
    if logits.shape[1] != bench.data.task.outputs or not np.isfinite(logits).all():
        raise Broken(f"its logits have shape {logits.shape}, finite: {np.isfinite(logits).all()}")


def is_deterministic(bench: Bench) -> None:
    """Compress again after other draws from the global generator."""
    again = bench.compress(noise=1)
    if not isinstance(again, Model) or again.fingerprint() != bench.made.fingerprint():
        raise Broken("a second run with the same seed gave another model: draw from budget.seed alone")


def survives_saving(bench: Bench) -> None:
    """Build a model from the architecture and the weights alone."""
    architecture = Architecture.from_spec(bench.made.architecture.spec())
    loaded = bench.dense.rebuilt(architecture)
    loaded.load_state_dict(bench.made.state_dict())
    if not np.array_equal(bench.logits(loaded.eval()), bench.logits(bench.made)):
        raise Broken("the loaded model computes something else: keep everything it needs in architecture and weights")


def fits_fixed_point(bench: Bench) -> None:
    """Emulate the engine's numbers on a few examples."""
    few = bench.data.selection.first(16)
    emulated = predict_fixed(bench.made, few, bench.data.pad_id, LEAN)
    if emulated.overflows:
        raise Broken(f"numbers overflow the ring in {', '.join(emulated.overflows)}")
    near(emulated.logits, predict(bench.made, few, bench.data.pad_id))


def is_served_as_trained(bench: Bench) -> None:
    """Let two parties run a few examples."""
    few, lean = bench.data.selection.first(SERVED), ENGINES[HEADLINE]
    embedded, keep = embed(bench.made, few, np.arange(SERVED), bench.data.pad_id, SEQ_LEN)
    with lean.start(Session(deadline=120)) as parties:
        parties.load("checked", bench.made)
        seen = parties.infer("checked", embedded, keep)
    prediction = lean.predict(bench.made.architecture, SERVED, SEQ_LEN)
    assert prediction is not None
    try:
        checked(seen, prediction)
    except PredictionFailed as error:
        raise Broken(str(error)) from error
    near(seen.logits, predict(bench.made, few, bench.data.pad_id))


CHECKS = (
    Check("compress returns a Model, or a Skip with a reason, and leaves the dense model as it was", gives_a_model),
    Check("the compressed model has the task's outputs and finite logits", gives_finite_logits),
    Check("the same seed gives the same model, whatever the global random state", is_deterministic),
    Check("the model computes the same after its architecture and weights are saved and loaded", survives_saving),
    Check("emulated fixed point is near floats, and nothing overflows", fits_fixed_point),
    Check(
        "two parties reveal the same logits as floats, and send exactly what the ledger predicts", is_served_as_trained
    ),
)
TASKS = ("sst2", "stsb")


def check(name: str, log: Callable[[str], None] = print) -> bool:
    """Check one method on a classification and on a regression task; return whether it passed.

    Raises:
        InputError: there is no such method, or it does not load.
    """
    method = METHODS[name]
    good = True
    for task in TASKS:
        dense, data = _dense(task)
        for variant in method.info.variants:
            log(f"{name}, {variant.name}, {task}:")
            good &= keeps_contract(Bench(method, variant, dense, data), log)
    return good


def keeps_contract(bench: Bench, log: Callable[[str], None]) -> bool:
    """Run all checks, those of the model only if there is one, log each, and return whether the method passed."""
    return keeps(CHECKS, bench, log, lambda bench: bench.model is None)


def _dense(task: str) -> tuple[Model, TaskData]:
    """Return the first layers of the default backbone, fine-tuned briefly on the sample."""
    backbone = load_backbone()
    data = encode_task(load(task, source="sample"), backbone.tokenizer, SEQ_LEN, 0, 100).data
    model = build_model(backbone, data.task.outputs)
    short = model.rebuilt(replace(model.architecture, layers=model.architecture.layers[:LAYERS]))
    dense = train(short, data, BUDGET, label_loss, "fine-tuning")
    dense.spent = Spent()
    return dense, data
