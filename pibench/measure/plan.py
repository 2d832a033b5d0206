"""What one run of the suite measures, and how much it may spend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pibench.engines.lean.dealer import DealerKind
from pibench.engines.security import DEALERS, SECURITY
from pibench.methods.contract import Variant
from pibench.results.records import RESULTS
from pibench.training.budget import Budget
from pibench.training.tune import Grid


@dataclass(frozen=True)
class Profile:
    """How thorough a run is.

    ``grid`` is what the dense model is tuned over, ``budget`` what a compressed one may spend on its recovery;
    ``selection`` is the most examples that are cut from train for choices;
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
        Grid((1e-4,), epochs=2),
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
        Grid((5e-5, 1e-4, 2e-4), epochs=4),
        Budget(epochs=4, examples=8_000, batch_size=32, learning_rate=3e-4),
        selection=1000,
        seq_len=128,
        mpc_examples=64,
        mpc_batch=8,
        pairs=8,
        output=str(RESULTS),
    ),
}

ENGINES = ("crypten",)


@dataclass(frozen=True)
class Cell:
    """One method on one task with one seed."""

    task: str
    method: str
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """The cell as people read it, such as ``rte-dense-fair-s0``."""
        return f"{self.task}-{self.method}-{self.variant.name}-s{self.seed}"


@dataclass(frozen=True)
class Plan:
    """Everything that the options of a run decide."""

    profile: Profile
    budget: Budget
    seq_len: int
    backbone: str
    engine: str
    mpc_examples: int
    glue_dir: Path | None
    source: str
    output: Path
    resume: bool
    port: int | None
    deadline: float
    listen: str | None = None
    """Where party 1 calls from its own machine, as ``HOST:PORT``; else both parties are on this one."""
    certificates: Path | None = None
    dealer: DealerKind = "first-party"

    @property
    def security(self) -> dict[str, Any]:
        """What the engine's numbers stand for."""
        return SECURITY[self.engine] | {"dealer": DEALERS[self.dealer]}

    @property
    def backbone_name(self) -> str:
        """The backbone as records name it: a folder by its last part alone."""
        return Path(self.backbone).name if Path(self.backbone).is_dir() else self.backbone

    @property
    def records(self) -> Path:
        """Where records go."""
        return self.output / "records"

    @property
    def tables(self) -> Path:
        """Where tables go."""
        return self.output / "tables"

    @property
    def models(self) -> Path:
        """Where trained models are kept for ``--resume``."""
        return Path("runs/models")

    @property
    def scratch(self) -> Path:
        """Where methods keep unfinished work for ``--resume``."""
        return self.models / "scratch"
