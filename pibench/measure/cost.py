"""What an architecture sends between real parties, and how long it takes; needs no trained model and no task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import torch

import pibench
from pibench.engines.engine import Cost, Inference, Parties, Prediction
from pibench.engines.security import SCOPE
from pibench.measure.accuracy import embed
from pibench.measure.workbench import Workbench
from pibench.model.architecture import Architecture
from pibench.model.module import DecoderEmbeddings, Embeddings, Model
from pibench.results.records import SCHEMA_VERSION, Record
from pibench.tasks.encode import EncodedTask

BATCH = 1
_WORDS = 100


class PredictionFailed(Exception):
    """The parties sent something other than the engine predicted."""


@dataclass(frozen=True)
class Sample:
    """A model and an input to run it on: embedded text (batch, seq, hidden) and the mask (batch, seq)."""

    model: Model
    embedded: np.ndarray
    keep: np.ndarray
    weights: Literal["trained", "random"]


def of_text(model: Model, task: EncodedTask, seq_len: int) -> Sample:
    """Return a trained model with the first validation example, padded to the sequence length."""
    return Sample(model, *embed(model, task.validation, np.arange(BATCH), task.data.pad_id, seq_len), "trained")


def at_random(architecture: Architecture, batch: int = BATCH, seq_len: int = 128, seed: int = 0) -> Sample:
    """Return a model with random weights, embedded random words and a mask without padding."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = Model(architecture, _embeddings(architecture, seq_len)).eval()
        for coefficients in model.unset().values():
            coefficients.fill_(1)
        ids = torch.randint(model.embeddings.word.num_embeddings, (batch, seq_len))
        embedded = model.embeddings(ids, torch.zeros_like(ids))
    return Sample(model, embedded.numpy(), torch.ones_like(ids).numpy(), "random")


def _embeddings(architecture: Architecture, positions: int) -> Embeddings | DecoderEmbeddings:
    hidden = architecture.hidden_size
    if architecture.family == "decoder":
        return DecoderEmbeddings(architecture.outputs, positions, hidden)
    return Embeddings(_WORDS, positions, 1, hidden, architecture.norm_eps)


@dataclass
class Runner:
    """Runs a sample on an engine repeatedly, and keeps what was measured.

    ``parties`` returns the running parties, which know the model as ``name``; ``load`` loads it if it runs with
    settings other than the engine's own. Each inference is checked against ``prediction``, if there is one.
    """

    sample: Sample
    parties: Callable[[], Parties]
    prediction: Prediction | None
    round_trips: float | None
    name: str
    load: Callable[[Parties, str, Model], None] = lambda parties, name, model: parties.load(name, model)
    runs: list[Inference] = field(default_factory=list)

    def run(self) -> Inference:
        """Run one inference.

        Raises:
            PredictionFailed: the bytes or rounds differ from the prediction.
        """
        parties = self.parties()
        self.load(parties, self.name, self.sample.model)
        seen = parties.infer(self.name, self.sample.embedded, self.sample.keep)
        return seen if self.prediction is None else checked(seen, self.prediction)

    def timed(self) -> float:
        """Run one inference, keep it, and return its seconds."""
        self.runs.append(self.run())
        return self.runs[-1].seconds


def checked(seen: Inference, prediction: Prediction) -> Inference:
    """Return the inference if it cost what was predicted, operator by operator.

    Raises:
        PredictionFailed: it did not.
    """
    for name in sorted(seen.costs.keys() | prediction.costs.keys()):
        sent, expected = seen.costs.get(name, Cost()), prediction.costs.get(name, Cost())
        if replace(sent, multiplications=0) != replace(expected, multiplications=0):
            raise PredictionFailed(
                f"{name} sent {sent.bytes} bytes in {sent.rounds} rounds where {expected.bytes} in {expected.rounds} "
                "were predicted"
            )
    return seen


def runner_of(bench: Workbench, engine: str, sample: Sample) -> Runner:
    """Return the runner of a sample on an engine of the run, with the engine's own settings."""
    runs_on, (batch, seq_len) = bench.engine(engine), sample.keep.shape
    prediction = runs_on.predict(sample.model.architecture, batch, seq_len)
    name = sample.model.fingerprint()
    return Runner(sample, lambda: bench.parties(engine), prediction, runs_on.round_trips, name)


def measure_cost(
    own: Runner,
    baseline: Runner | None = None,
    pairs: int = 0,
    repeat: Callable[[Callable[[], object], int], object] | None = None,
) -> dict[str, Any]:
    """Return the fields of a cost record: bytes and rounds, and times beside ``baseline`` in interleaved ``pairs``.

    The first run of each is a warm-up. ``repeat(function, times)`` calls a function that often, as pytest-benchmark
    does.
    """
    first = own.run()
    if baseline is None:
        return communication(first, own.prediction)
    baseline.run()

    def pair() -> None:
        """Run both, alternating which goes first, so that drift cancels."""
        ahead, behind = (own, baseline) if len(own.runs) % 2 else (baseline, own)
        ahead.timed()
        behind.timed()

    (repeat or _repeat)(pair, pairs)
    times = latency(own, baseline) | {"offline": offline(own.runs, own.prediction)}
    return communication(first, own.prediction) | times


def _repeat(function: Callable[[], object], times: int) -> None:
    for _ in range(times):
        function()


def blank_cost(bench: Workbench, engine: str, sample: Sample) -> Record:
    """Return the record of a cost before its measurement; its status is ``failed``."""
    runs_on = bench.engine(engine)
    batch, seq_len = sample.keep.shape
    return {
        "schema_version": SCHEMA_VERSION,
        "suite_version": pibench.__version__,
        "kind": "cost",
        "architecture": sample.model.architecture.key,
        "architecture_spec": sample.model.architecture.spec(),
        "engine": engine,
        "security": bench.plan.security(engine),
        "switches": runs_on.settings,
        "round_trips": runs_on.round_trips,
        "weights": sample.weights,
        "seq_len": seq_len,
        "batch": batch,
        "status": "failed",
        "error": None,
        "last_error": None,
        "bytes_total": None,
        "bytes_sent": None,
        "rounds": None,
        "multiplications": None,
        "operators": None,
        "seconds": None,
        "compute_seconds": None,
        "baseline": None,
        "offline": None,
        "scope": SCOPE,
        "environment": bench.environment,
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds_total": 0.0,
    }


def communication(seen: Inference, prediction: Prediction | None) -> dict[str, Any]:
    """Return the measured bytes and rounds of a record, multiplications as predicted."""
    costs = prediction.costs if prediction else {}
    return {
        "status": "ok",
        "bytes_total": sum(seen.bytes_sent),
        "bytes_sent": seen.bytes_sent,
        "rounds": seen.rounds,
        "multiplications": prediction.total().multiplications if prediction else None,
        "operators": [{"name": name, "calls": 1} | asdict(cost) for name, cost in costs.items()],
        "offline": offline([seen], prediction),
        "seconds": [],
        "compute_seconds": [],
    }


def offline(runs: Sequence[Inference], prediction: Prediction | None) -> dict[str, Any] | None:
    """Return what the dealer brings for one inference, and how long that took; None where it is not predicted."""
    if prediction is None:
        return None
    return {
        "source": "dealer",
        "elements": prediction.offline_elements,
        "bytes_if_sent": prediction.offline_bytes,
        "seconds": [run.offline_seconds for run in runs if run.offline_seconds is not None],
    }


def latency(own: Runner, baseline: Runner) -> dict[str, Any]:
    """Return the interleaved times of a record."""
    dense = baseline.runs[0]
    return _times(own) | {
        "baseline": _times(baseline)
        | {
            "architecture": baseline.sample.model.architecture.key,
            "bytes_total": sum(dense.bytes_sent),
            "rounds": dense.rounds,
            "round_trips": baseline.round_trips,
        }
    }


def _times(one: Runner) -> dict[str, Any]:
    compute = [run.compute_seconds for run in one.runs]
    return {"seconds": [run.seconds for run in one.runs], "compute_seconds": None if None in compute else compute}
