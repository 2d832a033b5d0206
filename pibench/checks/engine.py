"""The contract of engines, checked on one of them: ``pibench check-plugin NAME``.

Its parties run two small models with random weights. Speed is not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from pibench.checks.contract import Broken, Check, keeps, near
from pibench.engines.engine import Engine, Inference, Parties, Session
from pibench.engines.registry import ENGINES
from pibench.measure.cost import Sample, at_random
from pibench.model.architecture import Architecture, Layer
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import forward

ARCHITECTURE = Architecture(16, (Layer(heads=2, head_size=8, ffn_size=32),) * 2, outputs=3)
BATCH, SEQ_LEN, PADDED = 2, 8, 5
"""Examples per inference, tokens per example, and padding tokens of the last example."""
DEVIATION = 0.6
"""Scale of the models' weights, large enough that logits differ by more than an error would."""


@dataclass
class Bench:
    """One engine with its running parties, a sample of each model by name, and the inferences so far."""

    engine: Engine
    parties: Parties
    samples: dict[str, Sample]
    seen: dict[str, Inference] = field(default_factory=dict)

    def infer(self, name: str) -> Inference:
        """Load a model and run its sample."""
        sample = self.samples[name]
        self.parties.load(name, sample.model)
        return self.parties.infer(name, sample.embedded, sample.keep)


def floats(sample: Sample) -> np.ndarray:
    """Return the logits of a sample in floats."""
    model = sample.model
    with torch.no_grad():
        embedded, keep = torch.from_numpy(sample.embedded), torch.from_numpy(sample.keep).float()
        return forward(TorchInterpreter(), model.architecture, model.weights(), embedded, keep).logits.numpy()


def reveals_logits(bench: Bench) -> None:
    """Run each model once."""
    for name in bench.samples:
        bench.seen[name] = bench.infer(name)
        near(bench.seen[name].logits, floats(bench.samples[name]))


def measures(bench: Bench) -> None:
    """Check what was measured."""
    for seen in bench.seen.values():
        if not 0 < seen.seconds < float("inf"):
            raise Broken(f"an inference took {seen.seconds} seconds: return those of the slower party")
        if not seen.bytes_sent or min(seen.bytes_sent) < 0 or sum(seen.bytes_sent) == 0:
            raise Broken(f"the parties sent {seen.bytes_sent} bytes: return those of each party")


def repeats(bench: Bench) -> None:
    """Run the first model again, after the second."""
    name = next(iter(bench.samples))
    again, before = bench.infer(name), bench.seen[name]
    near(again.logits, floats(bench.samples[name]))
    if (again.bytes_sent, again.rounds) != (before.bytes_sent, before.rounds):
        raise Broken(
            f"the same inference first sent {before.bytes_sent} bytes in {before.rounds} rounds, and then "
            f"{again.bytes_sent} in {again.rounds}"
        )


def sends_what_it_predicts(bench: Bench) -> None:
    """Compare the bytes and rounds of each model with the prediction, where there is one."""
    for name, seen in bench.seen.items():
        predicted = bench.engine.predict(bench.samples[name].model.architecture, BATCH, SEQ_LEN)
        if predicted is None:
            continue
        total = predicted.total()
        if (sum(seen.bytes_sent), seen.rounds) != (total.bytes, total.rounds):
            raise Broken(
                f"{name}: {sum(seen.bytes_sent)} bytes in {seen.rounds} rounds were sent, but {total.bytes} in "
                f"{total.rounds} were predicted: predict exactly, or return None"
            )


CHECKS = (
    Check("the parties reveal the logits of the model that was loaded", reveals_logits),
    Check("seconds, and the bytes of each party, are measured", measures),
    Check("a repeated inference is still correct, and costs the same", repeats),
    Check("bytes and rounds are exactly as predicted, if they are predicted", sends_what_it_predicts),
)


def check(name: str, log: Callable[[str], None] = print) -> bool:
    """Check one engine in a session on this machine; return whether it passed.

    Raises:
        InputError: there is no such engine, it does not load, or something it needs is not installed.
        PartyFailed: its parties do not start.
    """
    engine = ENGINES[name]
    session = Session(deadline=120)
    engine.check(session)
    log(f"{name}:")
    with engine.start(session) as parties:
        return keeps_contract(Bench(engine, parties, samples()), log)


def samples() -> dict[str, Sample]:
    """Return two models with random weights, each with a padded input."""
    made = {name: at_random(ARCHITECTURE, BATCH, SEQ_LEN, seed) for seed, name in enumerate(("first", "second"))}
    generator = torch.Generator().manual_seed(0)
    for sample in made.values():
        sample.keep[-1, -PADDED:] = 0
        with torch.no_grad():
            for weight in sample.model.parameters():
                weight.normal_(0, DEVIATION, generator=generator)
    return made


def keeps_contract(bench: Bench, log: Callable[[str], None]) -> bool:
    """Run all checks, log a line for each, and return whether the engine passed them."""
    return keeps(CHECKS, bench, log, lambda bench: not bench.seen)
