"""The communication table: bytes and rounds of each cost, and where the bytes go."""

from __future__ import annotations

from pibench.engines.lean.ledger import session_bytes
from pibench.engines.lean.switches import Switches
from pibench.model.architecture import Architecture
from pibench.results import notes
from pibench.results.cost import GROUPS
from pibench.results.evidence import Evidence
from pibench.results.records import Record
from pibench.results.render import COST_NAMES, TOTALS, Column, Table, or_status

_COMMUNICATION = [
    *COST_NAMES,
    *TOTALS,
    *(Column(f"megabytes_{group}", f"{group} (MB)", 2) for group in GROUPS),
    Column("session_megabytes", "weights, once a session (MB)", 2),
    Column("over_floor", "total over dense linear layers", 2),
    Column("offline_elements", "offline (dealer): million elements", 1),
    Column("offline_gigabytes", "offline (dealer): GB if sent", 2),
]


def communication(evidence: Evidence) -> Table:
    """Return one row per method, variant and architecture: online megabytes, rounds, and operator shares."""
    frame = evidence.cost_rows
    floor = evidence.costs.loc[evidence.costs["is_reference"], "megabytes_linear"].dropna()
    frame = frame.assign(
        megabytes=or_status(frame["megabytes"], frame["status"]),
        session_megabytes=[_session_megabytes(record) for record in frame["record"]],
        over_floor=frame["megabytes"] / (floor.iloc[0] if len(floor) else float("nan")),
    )
    about = [
        "Online bytes of one inference, summed over the parties that send them; 1 MB is 1e6 bytes. Rounds "
        "are sequential exchanges.",
        "The linear layers of dense/exact set the floor: what a model of this shape sends without any softmax, "
        "activation or norm.",
        "The offline phase is the dealer's. It sends nothing here and is in no total; its columns say what the dealer "
        "would have to send to both parties if it sent every tuple in full.",
        *notes.provenance(evidence),
        *notes.reasons(evidence.costs["record"]),
    ]
    return Table("communication", notes.title(evidence, "Communication"), frame, _COMMUNICATION, about)


def _session_megabytes(record: Record) -> float | None:
    """Return what opening the masked weights costs, as predicted; None where every inference opens them again."""
    if record["status"] != "ok" or not record["switches"].get("weight_masks"):
        return None
    architecture = Architecture.from_spec(record["architecture_spec"])
    return session_bytes(architecture, Switches(**record["switches"])) / 1e6
