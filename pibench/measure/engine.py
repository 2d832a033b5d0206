"""Studies of the engine itself: what each switch is worth, and how cost grows with batch, length and depth.

Every setup of a study runs in one session, interleaved: forwards in one round, backwards in the next, so that
drift divides out of ratios that are taken round by round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import torch

from pibench.engines.lean.ledger import Cost, Ledger
from pibench.engines.lean.parties import Parties
from pibench.engines.lean.party import Inference, Lowering
from pibench.engines.lean.switches import CRYPTEN, LEAN, NEED_DIRECT_SHARES, Switches
from pibench.measure.cost import checked, predicted
from pibench.model.architecture import Architecture, Layer
from pibench.model.module import DecoderEmbeddings, Embeddings, Model

MINILM_LAYER = Layer(heads=12, head_size=32, ffn_size=1536)
RECIPE_LAYER = Layer(heads=6, head_size=32, ffn_size=1536, softmax="quad", activation="quadratic")
"""The recipe that IG-3D's abstract describes: half the heads, an unnormalised quadratic softmax, a quadratic GELU."""
HIDDEN = 384
ROUNDS = 8
WORDS = 100

SAME_LOWERING = {"lookup_tables": False, "piecewise_gelu": False, "quadratic_exp": False, "fraction_bits": 16}
"""What the lean engine must leave off to compute as CrypTen's tensors do under the fair lowering."""


@dataclass(frozen=True)
class Setup:
    """One row of a study."""

    name: str
    architecture: Architecture
    lowering: Lowering = "fair"
    switches: Switches = LEAN
    batch: int = 1
    seq_len: int = 128


@dataclass
class Timed:
    """A setup and its inferences, one a round."""

    setup: Setup
    runs: list[Inference] = field(default_factory=list)

    @cached_property
    def ledger(self) -> Ledger:
        """What one inference must cost."""
        setup = self.setup
        return predicted(setup.architecture, setup.lowering, setup.switches, setup.batch, setup.seq_len)

    def row(self, reference: Timed | None = None) -> dict[str, Any]:
        """Return the raw numbers of a study's row; ``reference`` ran in the same rounds."""
        setup = self.setup
        total = sum(self.runs[0].costs.values(), Cost())
        return {
            "setup": setup.name,
            "architecture": setup.architecture.key,
            "lowering": setup.lowering,
            "batch": setup.batch,
            "seq_len": setup.seq_len,
            "bytes_total": total.bytes,
            "rounds": total.rounds,
            "round_trips": setup.switches.round_trips,
            "offline_elements": self.ledger.offline.elements,
            "offline_bytes_if_sent": self.ledger.offline.bytes,
            "offline_seconds": [run.offline_seconds for run in self.runs if run.offline_seconds is not None],
            "seconds": [run.seconds for run in self.runs],
            "compute_seconds": [run.compute_seconds for run in self.runs],
            "reference_seconds": [run.seconds for run in reference.runs] if reference else None,
            "peak_memory_bytes": max(run.peak_memory for run in self.runs),
        }


def profile(timed: Timed) -> list[dict[str, Any]]:
    """Return a row for each operator: seconds of every run, those of them on the wire, bytes and rounds."""
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


def ablation(layer: Layer = MINILM_LAYER) -> list[Setup]:
    """Return the lean engine, the engine less one switch at a time, and CrypTen's own tensors."""
    dense = layers(layer)
    same = Switches(**(asdict(LEAN) | SAME_LOWERING))
    own = {
        "CrypTen, stock lowering": Setup("", dense, "stock", CRYPTEN),
        "CrypTen, fair lowering": Setup("", dense, "fair", CRYPTEN),
        "CrypTen, fair, dealer in the clock": Setup("", dense, "fair", CRYPTEN.without("prefetch")),
        "CrypTen, fair + plain_config": Setup("", dense, "fair", Switches(prefetch=True, plain_config=True)),
        "CrypTen, fair + plain_config + raw_sockets": Setup(
            "", dense, "fair", Switches(prefetch=True, plain_config=True, raw_sockets=True)
        ),
        "lean, CrypTen's fair lowering": Setup("", dense, "fair", same),
    }
    named = [Setup(name, setup.architecture, setup.lowering, setup.switches) for name, setup in own.items()]
    switches = ("raw_sockets", "prefetch", *NEED_DIRECT_SHARES[1:])
    less_one = [Setup(f"lean less {name}", dense, "fair", LEAN.without(name)) for name in switches]
    return [Setup("lean", dense), *named, *less_one]


def interleaved(
    parties: Parties, setups: Sequence[Setup], rounds: int = ROUNDS, log: Callable[[str], None] = lambda line: None
) -> list[Timed]:
    """Run every setup ``rounds`` times, after one run that warms it up; each run is checked against its ledger."""
    timed = [Timed(setup) for setup in setups]
    inputs = []
    for one in timed:
        model, *given = example(one.setup)
        inputs.append(given)
        parties.load(one.setup.name, model, one.setup.lowering, one.setup.switches)
        _run(parties, one, *given)
    order = list(zip(timed, inputs, strict=True))
    for number in range(rounds):
        log(f"round {number + 1} of {rounds}")
        for one, given in order if number % 2 == 0 else reversed(order):
            one.runs.append(_run(parties, one, *given))
    return timed


def _run(parties: Parties, timed: Timed, embedded: torch.Tensor, keep: torch.Tensor) -> Inference:
    return checked(parties.infer(timed.setup.name, embedded.numpy(), keep.numpy()), timed.ledger)


def example(setup: Setup, seed: int = 0) -> tuple[Model, torch.Tensor, torch.Tensor]:
    """Return a model with random weights, embedded random words and a mask without padding."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        architecture = setup.architecture
        model = Model(architecture, _embeddings(architecture, setup.seq_len)).eval()
        ids = torch.randint(model.embeddings.word.num_embeddings, (setup.batch, setup.seq_len))
        return model, model.embeddings(ids, torch.zeros_like(ids)), torch.ones_like(ids)


def _embeddings(architecture: Architecture, positions: int) -> Embeddings | DecoderEmbeddings:
    hidden = architecture.hidden_size
    if architecture.family == "decoder":
        return DecoderEmbeddings(architecture.outputs, positions, hidden)
    return Embeddings(WORDS, positions, 1, hidden, architecture.norm_eps)
