"""One accuracy cell: scores in floats, in emulated fixed point, and between real parties on a subset."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

import pibench
from pibench.engines.engine import Emulation, Engine, Parties
from pibench.measure import stages
from pibench.measure.plan import Cell
from pibench.measure.workbench import Workbench
from pibench.methods.contract import Skip
from pibench.methods.registry import METHODS
from pibench.model.module import Model
from pibench.results.outputs import Outputs
from pibench.results.records import SCHEMA_VERSION, Record
from pibench.tasks.batches import pad
from pibench.tasks.data import Split
from pibench.tasks.encode import EncodedTask
from pibench.tasks.metrics import answers, majority_score, score
from pibench.tasks.task import Task
from pibench.training.finetune import predict


def measure_accuracy(bench: Workbench, cell: Cell) -> dict[str, Any]:
    """Compress, score in floats on the whole validation split, and score between parties on a part of it.

    Without examples for MPC no party is started. Returns the fields of the record that the measurement fills.
    """
    model = stages.served(bench, cell)
    if isinstance(model, Skip):
        return {"status": "skipped", "error": model.reason}
    task, engine = bench.task(cell.task, cell.seed), bench.engine(cell.engine)
    logits = predict(model, task.validation, task.data.pad_id)
    subset = first_examples(task.validation, bench.plan.mpc_examples)
    check = None
    if len(subset):
        batch = bench.plan.profile.mpc_batch
        check = score_under_mpc(bench.parties(cell.engine), model, task, subset, logits[subset], batch)
    emulated = engine.emulate(model, task.validation, task.data.pad_id, cell.seed)
    outputs = Outputs(task.validation.labels.numpy(), logits, emulated.logits if emulated else None)
    return float_scores(task, logits) | {
        "weights_hash": model.fingerprint(),
        "architecture": model.architecture.key,
        "architecture_spec": model.architecture.spec(),
        "outputs": outputs.packed(),
        **(fixed_scores(engine, model, task, emulated) if emulated else {}),
        "mpc": check and check.pop("mpc"),
        "n_mpc": len(subset),
        "mpc_check": check,
        "security": bench.plan.security(cell.engine) if check else None,
        "switches": engine.settings,
        "tuning": stages.dense(bench, cell).tuning,
        "spent": stages.spent(bench, cell),
        "notes": model.notes | ({"data": list(task.data.notes)} if task.data.notes else {}),
    }


def fixed_scores(engine: Engine, model: Model, task: EncodedTask, emulated: Emulation) -> dict[str, Any]:
    """Return the score on the whole validation split in emulated fixed point, with its wraps and overflows."""
    labels = task.validation.labels.numpy()
    return {
        "fixed": score(task.data.task, answers(task.data.task, emulated.logits), labels)["score"],
        "fixed_check": {
            "wraps": sum(emulated.wraps.values()),
            "expected_wraps": sum(emulated.expected_wraps.values()),
            "overflows": emulated.overflows,
        },
        "outside_domain": engine.outside_domain(model, task.data.selection, task.data.pad_id),
    }


def float_scores(task: EncodedTask, logits: np.ndarray) -> dict[str, Any]:
    """Return the float scores of a record from the validation logits (examples, outputs)."""
    labels = task.validation.labels.numpy()
    metrics = score(task.data.task, answers(task.data.task, logits), labels)
    return {
        "status": "ok",
        "float": metrics.pop("score"),
        "metrics": metrics,
        "n": len(labels),
        "majority": majority_score(task.data.task, task.data.train.labels.numpy(), labels),
    }


def blank_accuracy(bench: Workbench, cell: Cell) -> Record:
    """Return the record of a cell before its measurement; its status is ``failed``."""
    task = bench.task(cell.task, cell.seed).data
    return {
        "schema_version": SCHEMA_VERSION,
        "suite_version": pibench.__version__,
        "kind": "accuracy",
        "task": cell.task,
        "data": task.source,
        "data_fingerprint": task.fingerprint,
        "backbone": bench.plan.backbone_name,
        "backbone_fingerprint": bench.backbone.fingerprint,
        "outputs": None,
        "weights_hash": None,
        "method": cell.method,
        "method_version": _version(cell.method),
        "variant": cell.variant.name,
        "seed": cell.seed,
        "status": "failed",
        "error": None,
        "last_error": None,
        "budget": asdict(bench.budget(cell)),
        "metric": "+".join(task.task.metrics),
        "metrics": {},
        "float": None,
        "fixed": None,
        "mpc": None,
        "n": 0,
        "n_mpc": 0,
        "majority": None,
        "mpc_check": None,
        "fixed_check": None,
        "outside_domain": None,
        "architecture": None,
        "architecture_spec": None,
        "engine": cell.engine,
        "security": None,
        "switches": None,
        "tuning": None,
        "spent": None,
        "notes": {},
        "training_step_ratio": None,
        "seq_len": bench.plan.seq_len,
        "environment": bench.environment,
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds_total": 0.0,
    }


def _version(method: str) -> str:
    try:
        return METHODS[method].info.version
    except Exception:
        return "unknown"


def first_examples(split: Split, count: int) -> np.ndarray:
    """Return the first ``count`` examples sorted by length, so that batches need little padding."""
    first = np.arange(min(count, len(split)))
    return first[np.argsort([len(split.input_ids[i]) for i in first], kind="stable")]


def score_under_mpc(
    parties: Parties, model: Model, task: EncodedTask, subset: np.ndarray, floats: np.ndarray, batch: int
) -> dict[str, Any]:
    """Run the validation examples ``subset`` between parties, ``batch`` at a time, and compare with their float logits.

    Batches in which a truncation wrapped are counted and left out of the largest logit difference.
    """
    logits, split, name = np.zeros_like(floats), task.validation, model.fingerprint()
    differences: list[float] = []
    counted: list[int] = []
    parties.load(name, model)
    for start in range(0, len(subset), batch):
        rows = slice(start, start + batch)
        seen = parties.infer(name, *embed(model, split, subset[rows], task.data.pad_id), audit=True)
        logits[rows] = seen.logits
        counted += [] if seen.wraps is None else [seen.wraps]
        if not seen.wraps:
            differences.append(float(np.abs(logits[rows] - floats[rows]).max()))
    return compared(task.data.task, logits, floats, split.labels.numpy()[subset]) | {
        "max_logit_difference": max(differences, default=None),
        "truncation_wraps": sum(counted) if counted else None,
    }


def compared(task: Task, logits: np.ndarray, floats: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the scores of logits made under MPC and in floats, both (examples, outputs), and how many labels agree."""
    own, theirs = answers(task, logits), answers(task, floats)
    return {
        "mpc": score(task, own, labels)["score"],
        "float_on_subset": score(task, theirs, labels)["score"],
        "labels_agree": None if task.regression else int((own == theirs).sum()),
        "n": len(labels),
    }


@torch.no_grad()
def embed(
    model: Model, split: Split, indices: np.ndarray, pad_id: int, length: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the client shares: embedded text (batch, seq, hidden) and the mask (batch, seq)."""
    batch = pad(split, indices, pad_id, length)
    return model.embeddings(batch.input_ids, batch.token_type_ids).numpy(), batch.keep.numpy()
