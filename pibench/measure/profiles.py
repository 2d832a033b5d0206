"""Profiles: how thorough a run is, and what a method may spend in it."""

from __future__ import annotations

from dataclasses import dataclass

from pibench.results.records import NEXT
from pibench.training.budget import Budget
from pibench.training.tune import Grid


@dataclass(frozen=True)
class Profile:
    """How thorough a run is.

    ``grid`` is what the dense model is tuned over, ``budget`` what a compressed one may spend on its recovery;
    ``selection`` is the largest number of examples that the selection split takes from train;
    ``mpc_examples`` validation examples of each cell are also scored under MPC, ``mpc_batch`` at a time; a
    latency is measured in ``pairs`` interleaved pairs.
    """

    name: str
    grid: Grid
    budget: Budget
    selection: int
    seq_len: int
    mpc_examples: int
    mpc_batch: int
    pairs: int
    output: str
    """Default output folder; ``{data}`` becomes the data source."""


PROFILES = {
    "quick": Profile(
        "quick",
        Grid((1e-4,), epochs=2, most_epochs=2),
        Budget(epochs=2, examples=400, batch_size=16, learning_rate=3e-4),
        selection=200,
        seq_len=32,
        mpc_examples=8,
        mpc_batch=8,
        pairs=3,
        output="runs/quick-{data}",
    ),
    "full": Profile(
        "full",
        Grid((5e-5, 1e-4, 2e-4), epochs=4, most_epochs=16),
        Budget(epochs=4, examples=8_000, batch_size=32, learning_rate=3e-4),
        selection=1000,
        seq_len=128,
        mpc_examples=64,
        mpc_batch=8,
        pairs=8,
        output=str(NEXT),
    ),
}
