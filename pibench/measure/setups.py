"""Setups of studies: an architecture on an engine with given settings, timed against other setups.

All setups of a study run in one session, interleaved, in order in one round and in reverse order in the next, so that
drift cancels in ratios that are taken round by round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from pibench.engines.crypten.engine import CryptenParties, predicted
from pibench.engines.crypten.settings import FAIR, STOCK, Settings
from pibench.engines.engine import Cost, Inference, Parties, Prediction, Session
from pibench.engines.lean.engine import Lean
from pibench.engines.lean.ledger import Ledger, predict
from pibench.engines.lean.parties import LeanParties, TwoParties
from pibench.engines.lean.switches import LEAN, NAMES, Switches
from pibench.measure.cost import Runner, at_random
from pibench.model.architecture import Architecture, Layer
from pibench.model.module import Model
from pibench.net.emulation import End

MINILM_LAYER = Layer(heads=12, head_size=32, ffn_size=1536)
RECIPE_LAYER = Layer(heads=6, head_size=32, ffn_size=1536, softmax="quad", activation="quadratic")
"""The recipe that IG-3D's abstract describes: half the heads, an unnormalised quadratic softmax, a quadratic GELU."""
HIDDEN = 384
ROUNDS = 8

SAME_LOWERING = {"lookup_tables": False, "piecewise_gelu": False, "quadratic_exp": False, "fraction_bits": 16}
"""The switches that the lean engine turns off to compute as CrypTen's tensors do under the fair lowering."""
TWO_PARTIES: dict[str, type[TwoParties]] = {"lean": LeanParties, "crypten": CryptenParties}


@dataclass(frozen=True)
class Setup:
    """One row of a study; its settings say which engine it runs on."""

    name: str
    architecture: Architecture
    settings: Switches | Settings = LEAN
    batch: int = 1
    seq_len: int = 128

    @property
    def engine(self) -> str:
        """The engine's name."""
        return "lean" if isinstance(self.settings, Switches) else "crypten"

    @property
    def round_trips(self) -> float:
        """Round trips of the network that one round takes."""
        return Lean.round_trips if isinstance(self.settings, Switches) else self.settings.round_trips

    def predict(self) -> Prediction:
        """Return the predicted cost of one inference."""
        size = self.batch, self.seq_len
        if isinstance(self.settings, Switches):
            return predict(self.architecture, *size, Ledger(self.settings)).prediction()
        return predicted(self.architecture, *size, self.settings)


@dataclass
class Timed:
    """A setup and the runner that holds its inferences, one per round."""

    setup: Setup
    runner: Runner

    @property
    def runs(self) -> list[Inference]:
        """The timed inferences."""
        return self.runner.runs

    def row(self, reference: Timed | None = None) -> dict[str, Any]:
        """Return the raw numbers of a study's row; ``reference`` ran in the same rounds."""
        setup, first, prediction = self.setup, self.runs[0], self.runner.prediction
        assert prediction is not None, "both engines of setups predict their costs"
        return {
            "setup": setup.name,
            "architecture": setup.architecture.key,
            "engine": setup.engine,
            "batch": setup.batch,
            "seq_len": setup.seq_len,
            "bytes_total": sum(first.bytes_sent),
            "rounds": first.rounds,
            "round_trips": setup.round_trips,
            "offline_elements": prediction.offline_elements,
            "offline_bytes_if_sent": prediction.offline_bytes,
            "offline_seconds": [run.offline_seconds for run in self.runs if run.offline_seconds is not None],
            "seconds": [run.seconds for run in self.runs],
            "compute_seconds": [run.compute_seconds for run in self.runs],
            "reference_seconds": [run.seconds for run in reference.runs] if reference else None,
            "peak_memory_bytes": max(run.peak_memory or 0 for run in self.runs),
        }


def profile(timed: Timed) -> list[dict[str, Any]]:
    """Return a row for each operator: seconds of every run, seconds spent on the wire, bytes and rounds."""
    costs = timed.runs[0].costs
    return [
        {
            "setup": timed.setup.name,
            "operator": name,
            "seconds": [run.profile[name][0] for run in timed.runs],
            "wire_seconds": [run.profile[name][1] for run in timed.runs],
            "bytes_total": costs.get(name, Cost()).bytes,
            "rounds": costs.get(name, Cost()).rounds,
        }
        for name in timed.runs[0].profile
        if "." in name or not name.startswith("layer")
    ]


def layers(layer: Layer, count: int = 1) -> Architecture:
    """Return an encoder of ``count`` equal layers of MiniLM's width, with two outputs."""
    return Architecture(HIDDEN, (layer,) * count, outputs=2)


def ablation() -> list[Setup]:
    """Return the lean engine, the engine with one switch off at a time, and CrypTen's own tensors."""
    dense = layers(MINILM_LAYER)
    settings: dict[str, Switches | Settings] = {
        "lean": LEAN,
        "CrypTen, stock lowering": STOCK,
        "CrypTen, fair lowering": FAIR,
        "CrypTen, fair, dealer in the clock": replace(FAIR, prefetch=False),
        "CrypTen, fair + plain_config": replace(FAIR, plain_config=True),
        "CrypTen, fair + plain_config + raw_sockets": replace(FAIR, plain_config=True, raw_sockets=True),
        "lean, CrypTen's fair lowering": Switches(**(asdict(LEAN) | SAME_LOWERING)),
        **{f"lean less {name}": LEAN.without(name) for name in NAMES},
    }
    return [Setup(name, dense, own) for name, own in settings.items()]


@contextmanager
def sessions(setups: Sequence[Setup], ends: tuple[End, End] | None = None) -> Iterator[Mapping[str, Parties]]:
    """Yield the parties of every engine that the setups run on, by its name; all models stay loaded."""
    session = Session(models_at_once=len(setups))
    with ExitStack() as running:
        yield {
            engine: running.enter_context(TWO_PARTIES[engine](session, ends))
            for engine in dict.fromkeys(setup.engine for setup in setups)
        }


def interleaved(
    parties: Mapping[str, Parties],
    setups: Sequence[Setup],
    rounds: int = ROUNDS,
    log: Callable[[str], None] = lambda line: None,
) -> list[Timed]:
    """Run every setup ``rounds`` times, after one run that warms it up; each run is checked against its prediction."""
    timed = [Timed(setup, _runner(parties[setup.engine], setup)) for setup in setups]
    for one in timed:
        one.runner.run()
    for number in range(rounds):
        log(f"round {number + 1} of {rounds}")
        for one in timed if number % 2 == 0 else reversed(timed):
            one.runner.timed()
    return timed


def _runner(parties: Parties, setup: Setup) -> Runner:
    def load(parties: Any, name: str, model: Model) -> None:
        parties.load(name, model, setup.settings)

    sample = at_random(setup.architecture, setup.batch, setup.seq_len)
    return Runner(sample, lambda: parties, setup.predict(), setup.round_trips, setup.name, load)
