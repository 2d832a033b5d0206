"""One accuracy cell: a method's float score, and its score under MPC on a subset."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

import pibench
from pibench.engines.lean.calibrate import calibrate
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.party import SWITCHES, Lowering
from pibench.engines.lean.protocol import SERVER
from pibench.engines.lean.switches import Switches
from pibench.measure.plan import Cell
from pibench.measure.workbench import Workbench
from pibench.methods.contract import Skip
from pibench.methods.registry import METHODS
from pibench.model.module import Model
from pibench.results.records import SCHEMA_VERSION, Record
from pibench.tasks.batches import pad
from pibench.tasks.data import Split
from pibench.tasks.encode import EncodedTask
from pibench.tasks.metrics import answers, majority_score, score
from pibench.tasks.task import Task
from pibench.training.finetune import predict


def measure_accuracy(bench: Workbench, cell: Cell) -> dict[str, Any]:
    """Compress, score in floats on the whole validation split and under MPC on a part of it.

    Without examples for MPC no engine runs. Returns the fields of the record that the measurement fills.
    """
    model = bench.compressed(cell)
    if isinstance(model, Skip):
        return {"status": "skipped", "error": model.reason}
    task = bench.task(cell.task, cell.seed)
    logits = predict(model, task.validation, task.data.pad_id)
    subset = first_examples(task.validation, bench.plan.mpc_examples)
    check = score_under_mpc(bench, cell, model, task.validation, subset, logits[subset]) if len(subset) else None
    return float_scores(task, logits) | {
        "weights_hash": model.fingerprint(),
        "architecture": model.architecture.key,
        "architecture_spec": model.architecture.spec(),
        **fixed_scores(task, model, cell),
        "mpc": check and check.pop("mpc"),
        "n_mpc": len(subset),
        "mpc_check": check,
        "engine": bench.plan.engine if check else None,
        "security": bench.plan.security if check else None,
        "switches": asdict(scoring_switches(cell.variant.lowering)),
        "extra": {"dense": bench.tuning(cell), "method": model.notes},
    }


def fixed_scores(task: EncodedTask, model: Model, cell: Cell) -> dict[str, Any]:
    """Return the score on the whole validation split in emulated fixed point, and what went wrong there.

    The emulation is of the fair lowering; the stock one has none.
    """
    if cell.variant.lowering != "fair":
        return {}
    emulated = predict_fixed(model, task.validation, task.data.pad_id, SWITCHES["fair"], cell.seed)
    labels = task.validation.labels.numpy()
    return {
        "fixed": score(task.data.task, answers(task.data.task, emulated.logits), labels)["score"],
        "fixed_check": {
            "wraps": sum(emulated.wraps.values()),
            "expected_wraps": sum(emulated.expected_wraps.values()),
            "overflows": emulated.overflows,
        },
        "outside_domain": outside_domain(task, model),
    }


def outside_domain(task: EncodedTask, model: Model) -> list[dict[str, Any]]:
    """Return what left an operator's domain on the selection split, by layer; empty if nothing did."""
    ranges = calibrate(model, task.data.selection, task.data.pad_id, SWITCHES["fair"])
    return [asdict(seen) for seen in ranges if seen.outside]


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
    """Return the record of a cell about which nothing is known yet; its status is ``failed``."""
    task = bench.task(cell.task, cell.seed).data
    return {
        "schema_version": SCHEMA_VERSION,
        "suite_version": pibench.__version__,
        "kind": "accuracy",
        "task": cell.task,
        "data": task.source,
        "data_fingerprint": task.fingerprint,
        "backbone": bench.plan.backbone_name,
        "weights_hash": None,
        "method": cell.method,
        "method_version": _version(cell.method),
        "variant": cell.variant.name,
        "lowering": cell.variant.lowering,
        "seed": cell.seed,
        "status": "failed",
        "error": None,
        "budget": vars(bench.budget(cell)).copy(),
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
        "engine": None,
        "security": None,
        "switches": None,
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


def scoring_switches(lowering: Lowering) -> Switches:
    """Return a lowering's switches with tuples made as they are needed: batches that nobody times take less memory."""
    return SWITCHES[lowering].without("prefetch")


def first_examples(split: Split, count: int) -> np.ndarray:
    """Return the first ``count`` examples, the shortest first, so that batches need little padding."""
    first = np.arange(min(count, len(split)))
    return first[np.argsort([len(split.input_ids[i]) for i in first], kind="stable")]


def score_under_mpc(
    bench: Workbench, cell: Cell, model: Model, split: Split, subset: np.ndarray, floats: np.ndarray
) -> dict[str, Any]:
    """Run the examples ``subset`` between the parties and compare with their float logits ``floats``.

    Batches in which a truncation wrapped are counted and kept out of the largest logit difference.
    """
    task = bench.task(cell.task, cell.seed).data
    name = f"{model.fingerprint()}-{cell.variant.lowering}-scored"
    bench.parties.load(name, model, cell.variant.lowering, scoring_switches(cell.variant.lowering))
    logits = np.zeros_like(floats)
    differences: list[float] = []
    wraps = 0
    for start in range(0, len(subset), bench.plan.profile.mpc_batch):
        rows = slice(start, start + bench.plan.profile.mpc_batch)
        embedded, keep = embed(model, split, subset[rows], task.pad_id)
        result = bench.parties.infer(name, embedded, keep, audit=True)[SERVER]
        logits[rows] = result.logits
        wraps += result.wraps or 0
        if not result.wraps:
            differences.append(float(np.abs(result.logits - floats[rows]).max()))
    return beside_floats(task.task, logits, floats, split.labels.numpy()[subset]) | {
        "max_logit_difference": max(differences, default=None),
        "truncation_wraps": wraps,
    }


def beside_floats(task: Task, logits: np.ndarray, floats: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
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
