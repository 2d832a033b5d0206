"""What one run of the suite measures: the plan that its options make, and the cells of that plan."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pibench.engines.engine import DealerKind, Engine, Session
from pibench.engines.registry import ENGINES, HEADLINE
from pibench.engines.security import DEALERS
from pibench.errors import InputError, pick
from pibench.measure.options import listed, seeds
from pibench.measure.profiles import PROFILES, Profile
from pibench.methods.contract import Variant
from pibench.methods.registry import METHODS
from pibench.net.profiles import Network, parse_network
from pibench.tasks.registry import task_name
from pibench.training.budget import Budget, Recovery

COMPARED = "crypten:dense/exact"
"""What also runs by default if CrypTen is installed: the dense model on CrypTen's own tensors."""


@dataclass(frozen=True)
class Cell:
    """One method on one task with one seed, on one engine."""

    task: str
    method: str
    variant: Variant
    seed: int
    engine: str = HEADLINE

    @property
    def name(self) -> str:
        """The cell's readable name, such as ``rte-dense-exact-s0``, with any engine but the headline engine."""
        elsewhere = "" if self.engine == HEADLINE else f"-{self.engine}"
        return f"{self.task}-{self.method}-{self.variant.name}-s{self.seed}{elsewhere}"


@dataclass(frozen=True)
class Plan:
    """Everything that the options of a run decide.

    ``methods`` holds names of methods, or METHOD/VARIANT for one variant alone. ``engines`` holds pairs of an engine's
    name and what alone runs on it, a method or METHOD/VARIANT, or None if all methods do.
    """

    profile: Profile
    budget: Budget
    seq_len: int
    backbone: str
    mpc_examples: int
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    engines: tuple[tuple[str, str | None], ...]
    glue_dir: Path | None
    source: str
    output: Path
    resume: bool
    session: Session
    network: Network = field(default_factory=lambda: parse_network("lan"))

    @classmethod
    def from_options(cls, options: Namespace) -> Plan:
        """Return the plan of a run with these options (see :mod:`pibench.measure.options`).

        Raises:
            InputError: an option has an invalid value.
        """
        profile = PROFILES[pick("profile", options.profile, PROFILES)]
        session = _session(options)
        recovery: Recovery = pick("recovery", options.recovery, get_args(Recovery))  # type: ignore[assignment]
        return cls(
            profile=profile,
            budget=replace(profile.budget, recovery=recovery),
            seq_len=profile.seq_len if options.seq_len is None else options.seq_len,
            backbone=options.backbone,
            mpc_examples=profile.mpc_examples if options.mpc_examples is None else options.mpc_examples,
            tasks=tuple(dict.fromkeys(map(task_name, listed("tasks", options.tasks)))),
            methods=_methods(options.methods),
            seeds=tuple(seeds(options.seeds)),
            engines=_engines(options.engine, session),
            glue_dir=options.glue_dir,
            source=options.data,
            output=options.output or _default_output(session, profile),
            resume=options.resume,
            session=session,
            network=parse_network(options.network),
        )

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells, task by task; a method that does not load has one cell, which fails with the reason."""
        return [
            Cell(task, method, variant, seed, engine)
            for task in self.tasks
            for seed in self.seeds
            for method, variant in self._rows
            for engine, alone in self.engines
            if alone in (None, method, f"{method}/{variant.name}")
        ]

    @property
    def _rows(self) -> list[tuple[str, Variant]]:
        """The variants of all methods, or those alone that are named as METHOD/VARIANT."""
        asked = [name.partition("/") for name in self.methods]
        rows = [(method, only, variant) for method, _, only in asked for variant in _variants(method)]
        return [(method, variant) for method, only, variant in rows if only in ("", variant.name)]

    @cached_property
    def running(self) -> dict[str, Engine]:
        """The engines of this run, by name; the headline engine is always there."""
        return {name: ENGINES[name] for name in dict.fromkeys([HEADLINE, *(name for name, _ in self.engines)])}

    @property
    def backbone_name(self) -> str:
        """The backbone's name in records: for a folder only the last part of its path, which is never empty."""
        folder = Path(self.backbone)
        if not folder.is_dir():
            return self.backbone
        return (folder if folder.name.strip(".") else folder.resolve()).name or "/"

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

    def security(self, engine: str) -> dict[str, Any]:
        """Return an engine's security model in this run."""
        return self.running[engine].security(self.session)


def _session(options: Namespace) -> Session:
    dealer: DealerKind = pick("dealer", options.dealer, DEALERS)  # type: ignore[assignment]
    return Session(
        deadline=options.deadline,
        port=options.port,
        dealer=dealer,
        listen=options.listen,
        certificates=options.certificates,
    )


def _default_output(session: Session, profile: Profile) -> Path:
    """Return a profile's folder, or a separate one for records that must not be mixed with it."""
    if session.listen:
        return Path("runs/two-machines-{data}")
    return Path("runs/third-party-dealer-{data}" if session.dealer == "third-party" else profile.output)


def _methods(asked: str) -> tuple[str, ...]:
    return tuple(METHODS if asked == "all" else map(_row, listed("methods", asked)))


def _engines(asked: str | None, session: Session) -> tuple[tuple[str, str | None], ...]:
    """Return the requested engines; by default the headline engine, and CrypTen for the dense model if installed."""
    if asked is None:
        alone = session.listen or session.dealer == "third-party" or ENGINES["crypten"].missing()
        asked = HEADLINE if alone else f"{HEADLINE},{COMPARED}"
    found = []
    for entry in listed("engine", asked):
        name, _, alone = entry.partition(":")
        pick("engine", name, ENGINES)
        found.append((name, _row(alone) if alone else None))
    return tuple(found)


def _row(text: str) -> str:
    """Return METHOD or METHOD/VARIANT if it exists."""
    method, _, variant = text.partition("/")
    pick("method", method, METHODS)
    if variant:
        pick("variant", variant, [one.name for one in _variants(method)])
    return text


def _variants(method: str) -> tuple[Variant, ...]:
    try:
        return METHODS[method].info.variants
    except InputError:
        return (Variant("unknown"),)
