"""Every method side by side: what its models score and cost, on what evidence, and what its paper reports."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pibench.methods.contract import QUANTITIES, MethodInfo
from pibench.results import notes
from pibench.results.cost import MODELLED
from pibench.results.evidence import Evidence
from pibench.results.render import ROW, Column, Table
from pibench.results.summary import summary, with_statuses

_LINKS = {"loopback": "loopback"} | {link: f"{link.upper()}, modelled" for link in MODELLED}
_SPEEDUPS = [Column(f"speedup_{key}", f"speed-up, {name}", 2) for key, name in _LINKS.items()]
_FIELD = [
    *ROW,
    Column("loss", "loss (points)", 1, estimated=True),
    Column("loss_fixed", "loss in fixed point", 1, estimated=True),
    Column("loss_control", "loss to the control", 1, estimated=True, optional=True),
    Column("rounding", "lost by fixed point", 1, estimated=True),
    Column("fidelity", "same label as dense (%)", 1, optional=True),
    Column("divergence", "divergence from dense", 3, optional=True),
    Column("trained_on", "trained on (thousand examples)", 1, optional=True),
    Column("searched", "with its search", 1, optional=True),
    Column("average", "float", 1),
    Column("fixed", "fixed point", 1),
    Column("float_on_subset", "float, MPC subset", 1),
    Column("mpc", "MPC", 1),
    Column("n_mpc", "n MPC", 0),
    Column("megabytes", "MB", 2),
    Column("rounds", "rounds", 0),
    *(Column(f"seconds_{key}", f"{name} (s)", 3) for key, name in _LINKS.items()),
    Column("reduction", "reduction (%)", 1),
    *_SPEEDUPS,
    Column("offline", "offline phase"),
    Column("offline_gigabytes", "GB if the dealer sent it", 2),
    Column("security", "security"),
    Column("frontier", "frontier"),
]


def field(evidence: Evidence) -> Table:
    """Return one row per method and variant, in the order of the frontier."""
    evidence = evidence.comparable
    frame = with_statuses(summary(evidence, evidence.averaged))
    about = [
        f"Means over {', '.join(evidence.averaged) or 'no task'}; loss, reduction and speed-ups are relative to "
        "dense/exact, the loss seed by seed.",
        *notes.uninformative(evidence),
        "Float and fixed-point scores are on the whole validation split; MPC scores, and the float scores beside them, "
        "on the first n MPC examples of the seeds that ran under MPC.",
        notes.seeds(evidence),
        *notes.losses(evidence),
        *notes.likeness(evidence),
        *notes.searches(evidence),
        *notes.precision(evidence),
        *notes.partial_costs(evidence),
        *notes.provenance(evidence),
        *notes.clock(evidence),
        *notes.reasons(evidence.records),
    ]
    return Table("field", notes.title(evidence, "The field"), frame, _FIELD, about)


def reported(evidence: Evidence, infos: Mapping[str, MethodInfo]) -> Table:
    """Return what papers report beside what was measured here; no ratio is taken between the two.

    ``infos`` describe the methods by name; a method without one, or whose paper reports nothing, has no row.
    """
    evidence = evidence.comparable
    quantities = [f"reported_{quantity}" for quantity in QUANTITIES]
    stated = pd.DataFrame(
        [(name, info.paper, *map(info.reported.get, QUANTITIES)) for name, info in infos.items() if info.reported],
        columns=["method", "paper", *quantities],
    )
    measured = with_statuses(summary(evidence, evidence.averaged)).sort_index()
    frame = stated.sort_values("method").merge(measured, on="method")
    once = ["method", "paper", *quantities]
    frame[once] = frame[once].mask(frame["method"].duplicated())
    columns = [
        Column("method", "method"),
        Column("paper", "paper"),
        *(Column(f"reported_{quantity}", f"{quantity}, as reported") for quantity in QUANTITIES),
        Column("variant", "variant here"),
        Column("loss", "loss (points)", 1, estimated=True),
        Column("reduction", "reduction (%)", 1),
        *_SPEEDUPS,
    ]
    about = [
        "Reported: copied from the paper, with the setting that it names. Models, engines, networks and baselines "
        "differ from paper to paper and from ours: do not compare reported numbers with each other or with measured "
        "ones.",
        "Measured: loss, reduction and speed-ups relative to dense/exact, as in the table of the field.",
        *notes.uninformative(evidence),
        notes.seeds(evidence),
        *notes.provenance(evidence),
    ]
    return Table("reported", notes.title(evidence, "Reported and measured"), frame, columns, about)
