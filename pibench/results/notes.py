"""Titles and notes: what every table says about where its numbers come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pibench.engines.registry import HEADLINE
from pibench.engines.security import is_benchmark_only
from pibench.net.profiles import NETWORKS
from pibench.results.cost import MODELLED
from pibench.results.evidence import INFORMATIVE_MARGIN, Evidence
from pibench.results.frontier import FRONTIER, NO_INTERVALS, TIES
from pibench.results.mixtures import label, row_label
from pibench.results.records import Record

INFORMATIVE = (
    "those on which the data tell dense/exact from always answering the most frequent class (records without outputs: "
    f"on which it is ahead by {INFORMATIVE_MARGIN:g} points)"
)
BENCHMARK_ONLY = "Benchmark only: party 0 is the dealer and could undo every mask; see docs/security.md."
NOISE = 1.0
"""Points within which a score in fixed point counts as equal to the score in floats."""
_DATA_TITLES = {"glue": " on GLUE", "sample": " (sample, not GLUE)", "own": " on own data"}


def title(evidence: Evidence, text: str) -> str:
    """Return ``text`` with the data source of the evidence."""
    data = [record["data"] for record in evidence.accuracy["record"][:1]]
    return text + "".join(_DATA_TITLES.get(name, f" on {name}") for name in data)


def source(study: Record) -> str:
    """Return the note that says where a study was made."""
    environment = study["environment"]
    machine = environment["machine"]
    tree = ", uncommitted changes" if environment["dirty"] else ""
    return (
        f"{machine['cpu_model']}, {machine['cores']} cores; commit {commit(study)}{tree}; {study['started_utc'][:10]}."
    )


def provenance(evidence: Evidence) -> list[str]:
    """Return the notes under every table: suite, commits, dates, data, model, engine, dirty tree."""
    records = evidence.records
    if not records:
        return ["No records."]
    days = sorted(record["started_utc"][:10] for record in records)
    parts = [
        f"Suite {records[0]['suite_version']}",
        f"commit {', '.join(sorted(set(map(commit, records))))}",
        days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        *(f"data {record['data']}, backbone {record['backbone']}" for record in evidence.accuracy["record"][:1]),
        f"sequence length {records[0]['seq_len']}",
        *(f"batch {record['batch']}" for record in evidence.costs["record"][:1]),
    ]
    notes = ["; ".join(parts) + ".", *_of_data(evidence), *_engines(records)]
    if dirty := sum(bool(record["environment"]["dirty"]) for record in records):
        notes.append(f"{dirty} of {len(records)} records come from a tree with uncommitted changes.")
    if unknown := sum(not record["environment"]["commit"] for record in records):
        notes.append(f"{unknown} of {len(records)} records come from no known commit, so that nobody can check them.")
    return notes


def commit(record: Record) -> str:
    """Return the first digits of the commit that made a record, or ``unknown``."""
    return (record["environment"]["commit"] or "unknown")[:12]


def _of_data(evidence: Evidence) -> list[str]:
    """Return what the records say of their data, such as examples in both splits, each sentence once."""
    return list(dict.fromkeys(note for one in evidence.accuracy["record"] for note in one["notes"].get("data", [])))


def _engines(records: list[Record]) -> list[str]:
    """Return the security model and the switches of each engine that ran."""
    notes = []
    for engine in sorted({record["engine"] for record in records}, key=lambda name: (name != HEADLINE, name)):
        own = [record for record in records if record["engine"] == engine]
        model = next((record["security"] for record in own if record["security"]), None)
        security = ", ".join(f"{key} {value}" for key, value in sorted(model.items())) if model else "not stated"
        notes.append(f"Engine {engine}; security model: {security}.")
        notes += [BENCHMARK_ONLY] if model and is_benchmark_only(model) and BENCHMARK_ONLY not in notes else []
        notes += _switches(next((record["switches"] for record in own if record["switches"]), None))
    return notes


def _switches(switches: dict[str, Any] | None) -> list[str]:
    if switches is None:
        return []
    on = ", ".join(name for name, value in switches.items() if value is True)
    return [f"Its switches: {on or 'none'}; {switches['fraction_bits']} fractional bits."]


def seeds(evidence: Evidence) -> str:
    """Return the note that names the seeds of comparable evidence."""
    by_task = evidence.accuracy.groupby("task", observed=True)["seed"].unique()
    counted = ", ".join(f"{task} {', '.join(map(str, sorted(own)))}" for task, own in by_task.items())
    return f"Over the seeds that all rows of a task have, so that rows can be compared: {counted or 'none'}."


def uninformative(evidence: Evidence) -> list[str]:
    """Return the note on comparable evidence without an informative task; empty if there is one."""
    note = (
        "No task is informative: on none do the data tell dense/exact from always answering the most frequent class, "
        "so no loss is counted and no method is recommended."
    )
    return [] if evidence.informative else [note]


def losses(evidence: Evidence) -> list[str]:
    """Return how losses are compared: the frontier, and what their intervals are."""
    return [FRONTIER, TIES if evidence.outputs else NO_INTERVALS]


def likeness(evidence: Evidence) -> list[str]:
    """Return what fidelity and divergence are, where records hold outputs."""
    note = (
        "Same label as dense: of a regression, the correlation with the dense model's scores. Divergence from dense: "
        "the mean Kullback-Leibler divergence from its answers in nats; of a regression, the mean squared difference."
    )
    return [note] if evidence.outputs else []


def searches(evidence: Evidence) -> list[str]:
    """Return one note for each pair of variants that are one model, and for each model outside its tolerance."""
    found, models = [], dict[tuple[str, str, int, str], Record]()
    for record in evidence.accuracy["record"]:
        if record["weights_hash"]:
            key = record["method"], record["task"], record["seed"], record["weights_hash"]
            if record["engine"] == HEADLINE and (first := models.setdefault(key, record)) is not record:
                found.append(f"{label(record)} is the same model as {row_label(first)}.")
        if record["notes"].get("within") is False:
            found.append(f"{label(record)}: outside its tolerance; nothing that it tried was within it.")
    return found


def partial_costs(evidence: Evidence) -> list[str]:
    """Return one note for each row whose costs were measured for only some of its models."""
    counts = [lines[lines["status"] == "ok"]["row"].value_counts() for lines in (evidence.accuracy, evidence.costed)]
    return [
        f"{row}: costs were measured for {counts[1][row]} of {counts[0][row]} models."
        for row in evidence.rows.index
        if 0 < counts[1][row] < counts[0][row]
    ]


def clock(evidence: Evidence) -> list[str]:
    """Return the notes under tables of time: what was timed, and how LAN and WAN latencies are derived."""
    links = ", ".join(
        f"{name.upper()} {NETWORKS[name].bandwidth / 1e6:g} Mbit/s and {NETWORKS[name].rtt * 1e3:g} ms"
        for name in MODELLED
    )
    notes = [
        f"LAN and WAN are modelled from measured compute, bytes and rounds: {links}. docs/engine.md compares the model "
        "with emulated links: on a LAN it is far off.",
        *noise(evidence),
    ]
    measured = list(evidence.costs["record"][evidence.costs["status"] == "ok"])
    if shapes := sum(cost["weights"] == "random" for cost in measured):
        notes.append(
            f"{shapes} of {len(measured)} architectures were timed with random weights of the same shapes: "
            "costs do not depend on the weights' values."
        )
    for cost in measured[:1]:
        machine = cost["environment"]["machine"]
        threads = cost["environment"]["threads"]
        notes.append(
            f"Measured between two processes on {machine['cpu_model']}, {machine['cores']} cores, "
            f"threads per party: {threads}; inside the clock: {', '.join(cost['scope']) or 'not stated'}."
        )
        if peer := cost["environment"].get("peer"):
            notes.append(
                f"Party 1 ran on another machine ({peer['cpu_model']}, {peer['cores']} cores), connected by TLS: "
                "here loopback means the network between the two."
            )
    return notes


def noise(evidence: Evidence) -> list[str]:
    """Return a note on the dense model against itself, interleaved like any other pair, where that was timed."""
    columns = ["paired_speedup", "speedup_low", "speedup_high"]
    timed = evidence.costs.loc[evidence.costs["is_reference"], columns].dropna()
    stated = [f"{middle:.2f} ({low:.2f} to {high:.2f})" for middle, low, high in timed.itertuples(index=False)]
    note = f"Noise floor (A/A test): the dense model against itself, interleaved like any other: {', '.join(stated)}."
    return [note] if stated else []


def training_speed(evidence: Evidence) -> list[str]:
    """Return a note on how our training step compares with transformers', where that was measured."""
    timed = [record for record in evidence.accuracy["record"] if record["training_step_ratio"]]
    stated = ", ".join(f"{record['training_step_ratio']:.2f} ({record['task']})" for record in timed)
    note = f"Time of our training step (forward and backward) over transformers' own, interleaved: {stated}."
    return [note] if timed else []


def domains(evidence: Evidence) -> list[str]:
    """Return one note for each model in which an input left its operator's domain, naming the layers."""
    found = []
    for record in evidence.accuracy["record"]:
        seen = [
            f"{row['operator']} ({row['primitive']} {row['low']:.3g} to {row['high']:.3g}, {row['outside']} of "
            f"{row['count']} outside {row['domain_low']:.3g} to {row['domain_high']:.3g})"
            for row in record["outside_domain"] or []
        ]
        if seen:
            found.append(
                f"{label(record)}: inputs outside an operator's domain on the selection split: {', '.join(seen)}."
            )
    return found


def precision(evidence: Evidence) -> list[str]:
    """Return one note for each model whose score in fixed point differs from that in floats."""
    lines = evidence.accuracy
    apart = lines[(lines["float"] - lines["fixed"]).abs() > NOISE]
    return [
        f"{label(record)}: {record['float']:.1f} in floats, {record['fixed']:.1f} in fixed point."
        for record in apart["record"]
    ]


def reasons(records: Iterable[Record]) -> list[str]:
    """Return one note for each record that is not ok, with its reason on one line."""
    records = list(records)
    unfinished = [
        f"{label(record)}: its last measurement failed: {record['last_error']}"
        for record in records
        if record["last_error"]
    ]
    return unfinished + [
        f"{label(record)}: {record['status']}: {' '.join(record['error'].split())[:200]}"
        for record in records
        if record["status"] != "ok"
    ]
