"""Titles and notes: what every table says about where its numbers come from."""

from __future__ import annotations

from typing import Any

from pibench.engines.security import is_benchmark_only
from pibench.net.profiles import NETWORKS
from pibench.results.cost import MODELLED, summarise
from pibench.results.join import HEADLINE, Study, label
from pibench.results.records import Record

BENCHMARK_ONLY = "Benchmark only: party 0 deals, and so could undo every mask; see docs/security.md."
NOISE = 1.0
"""Points within which a score in fixed point is the score in floats."""
_DATA_TITLES = {"glue": " on GLUE", "sample": " (sample, not GLUE)"}


def title(study: Study, text: str) -> str:
    """Return ``text`` with the data source of ``study``."""
    data = [record["data"] for record in study.accuracy[:1]]
    return text + "".join(_DATA_TITLES.get(name, f" on {name}") for name in data)


def provenance(study: Study) -> list[str]:
    """Return the notes under every table: suite, commits, dates, data, model, engine, dirty tree."""
    records = study.records
    if not records:
        return ["No records."]
    commits = sorted({(record["environment"]["commit"] or "unversioned")[:12] for record in records})
    days = sorted(record["started_utc"][:10] for record in records)
    parts = [
        f"Suite {records[0]['suite_version']}",
        f"commit {', '.join(commits)}",
        days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        *(f"data {record['data']}, backbone {record['backbone']}" for record in study.accuracy[:1]),
        f"sequence length {records[0]['seq_len']}",
        *(f"batch {record['batch']}" for record in list(study.costs.values())[:1]),
    ]
    notes = ["; ".join(parts) + "."]
    notes += _engines(records)
    if any(record["environment"]["dirty"] for record in records):
        dirty = sum(bool(record["environment"]["dirty"]) for record in records)
        notes.append(f"{dirty} of {len(records)} records come from a tree with uncommitted changes.")
    return notes


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


def seeds(study: Study) -> str:
    """Return the note on which seeds a comparable study is of."""
    found = {task: sorted({one["seed"] for one in study.accuracy if one["task"] == task}) for task in study.tasks}
    counted = ", ".join(f"{task} {', '.join(map(str, own))}" for task, own in found.items())
    return f"Over the seeds that all rows of a task have, so that rows compare: {counted or 'none'}."


def clock(study: Study) -> list[str]:
    """Return the notes under tables of time: what was inside the clock, and how LAN and WAN come about."""
    links = ", ".join(
        f"{name.upper()} {NETWORKS[name].bandwidth / 1e6:g} Mbit/s and {NETWORKS[name].rtt * 1e3:g} ms"
        for name in MODELLED
    )
    notes = [
        f"LAN and WAN are modelled from measured compute, bytes and rounds: {links}. How far that is from emulated "
        "links, and on a LAN it is far: docs/engine.md.",
        *noise(study),
    ]
    measured = [cost for cost in study.costs.values() if cost["status"] == "ok"]
    if shapes := sum(cost["weights"] == "random" for cost in measured):
        notes.append(
            f"{shapes} of {len(measured)} architectures were timed with random weights of the same shapes: "
            "the protocol sends and computes the same, whatever they are."
        )
    for cost in measured[:1]:
        machine = cost["environment"]["machine"]
        threads = cost["environment"]["threads"]
        notes.append(
            f"Measured between two processes on {machine['cpu_model']}, {machine['cores']} cores, "
            f"{threads} threads a party; inside the clock: {', '.join(cost['scope']) or 'not stated'}."
        )
        if peer := cost["environment"].get("peer"):
            notes.append(
                f"Party 1 was on a machine of its own ({peer['cpu_model']}, {peer['cores']} cores), joined by TLS: "
                "what is named loopback is the network between the two."
            )
    return notes


def noise(study: Study) -> list[str]:
    """Return a note on the dense model against itself, interleaved like any other pair, where that was timed."""
    ratios = [summarise(cost, True).pairs for cost in study.costs.values() if study.is_reference(cost)]
    stated = [
        f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
        for ratio in ratios
        if ratio and ratio.low is not None and ratio.high is not None
    ]
    if not stated:
        return []
    return [f"A/A, the noise floor: the dense model against itself, interleaved as any other: {', '.join(stated)}."]


def training_speed(study: Study) -> list[str]:
    """Return a note on how our training step compares with transformers', where that was measured."""
    ratios = [record["training_step_ratio"] for record in study.accuracy]
    measured = ", ".join(
        f"{ratio:.2f} ({record['task']})" for ratio, record in zip(ratios, study.accuracy, strict=True) if ratio
    )
    return (
        [f"Time of our training step (forward and backward) over transformers' own, interleaved: {measured}."]
        if measured
        else []
    )


def domains(study: Study) -> list[str]:
    """Return one note for each model in which an input left its operator's domain, naming the layers."""
    found = []
    for record in study.accuracy:
        seen = [
            f"{row['operator']} ({row['primitive']} {row['low']:.3g} to {row['high']:.3g}, {row['outside']} of "
            f"{row['count']} outside {row['domain_low']:.3g} to {row['domain_high']:.3g})"
            for row in record["outside_domain"] or []
        ]
        if seen:
            found.append(f"{label(record)}: outside an operator's domain on the selection split: {', '.join(seen)}.")
    return found


def precision(study: Study) -> list[str]:
    """Return one note for each model whose score in fixed point is not that in floats."""
    return [
        f"{label(record)}: {record['float']:.1f} in floats, {record['fixed']:.1f} in fixed point."
        for record in study.accuracy
        if record["fixed"] is not None and abs(record["float"] - record["fixed"]) > NOISE
    ]


def reasons(records: list[Record]) -> list[str]:
    """Return one note for each record that is not ok, with its reason on one line."""
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
