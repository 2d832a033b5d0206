"""The four tables: headline, accuracy, latency, communication."""

from __future__ import annotations

from collections.abc import Iterable

from pibench.engines.lean.ledger import session_bytes
from pibench.engines.lean.switches import Switches
from pibench.model.architecture import Architecture
from pibench.net.profiles import Network
from pibench.results import notes, rows
from pibench.results.cost import GROUPS, MODELLED, group_megabytes, modelled_seconds, reduction, summarise
from pibench.results.frontier import NOTE as FRONTIER_NOTE
from pibench.results.frontier import Frontier
from pibench.results.join import Study, join
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table
from pibench.results.stats import MIN_PAIRS

_ROW = [Column("method", "method"), Column("variant", "variant")]
_COST_ROW = [
    *_ROW,
    Column("tasks", "tasks"),
    Column("architecture", "architecture"),
    Column("engine", "engine"),
]
_TOTALS = [
    Column("megabytes", "MB", 2),
    Column("rounds", "rounds", 0),
    Column("reduction", "reduction (%)", 1),
]
_ACCURACY = [
    Column("task", "task"),
    *_ROW,
    Column("metric", "metric"),
    Column("float", "float", 1),
    Column("float_sd", "sd over seeds", 2),
    Column("fixed", "fixed point", 1),
    Column("mpc", "MPC", 1),
    Column("float_on_subset", "float on the MPC subset", 1),
    Column("labels_agree", "same label", 0),
    Column("logit_difference", "largest logit difference", 3),
    Column("n", "n", 0),
    Column("n_mpc", "n MPC", 0),
    Column("wraps", "wraps", 0),
    Column("majority", "majority", 1),
    Column("seeds", "seeds", 0),
]
_LATENCY = [
    *_COST_ROW,
    Column("seconds_loopback", "loopback (s)", 3),
    Column("speedup_loopback", "speed-up", 2),
    Column("speedup_low", "95 % low", 2),
    Column("speedup_high", "95 % high", 2),
    Column("pairs", "n", 0),
    Column("seconds_lan", "LAN (s, modelled)", 3),
    Column("speedup_lan", "LAN speed-up (modelled)", 2),
    Column("seconds_wan", "WAN (s, modelled)", 3),
    Column("speedup_wan", "WAN speed-up (modelled)", 2),
]
_COMMUNICATION = [
    *_COST_ROW,
    *_TOTALS,
    *(Column(f"megabytes_{group}", f"{group} (MB)", 2) for group in GROUPS),
    Column("session_megabytes", "weights, once a session (MB)", 2),
    Column("over_floor", "total over dense linear layers", 2),
    Column("offline_elements", "offline (dealer): million elements", 1),
    Column("offline_gigabytes", "offline (dealer): GB if sent", 2),
]


def headline(records: Iterable[Record]) -> Table:
    """Return one row per method and variant: scores by task, loss, communication and speed-ups.

    Raises :class:`InputError` for records that do not belong together; so do the other three tables.
    """
    study = join(records).comparable
    informative = rows.informative_tasks(study)
    frontier = Frontier(study, informative)
    cells: list[list[Cell]] = []
    for row in frontier.ordered:
        scores = [rows.score(study.of(row, task)) for task in study.tasks]
        cells.append(
            [
                *row,
                *scores,
                rows.average(study, row, informative),
                rows.loss(study, row, informative),
                *rows.cost_cells(study, row, informative or study.tasks),
                rows.seeds(study, row),
                frontier.cell(row),
            ]
        )
    columns = [
        *_ROW,
        *(Column(task, task, 1) for task in study.tasks),
        Column("average", "average", 1),
        Column("loss", "loss (points)", 1),
        *_TOTALS,
        Column("speedup_loopback", "speed-up", 2),
        *(Column(f"speedup_{link}", f"{link.upper()} speed-up (modelled)", 2) for link in MODELLED),
        Column("seeds", "seeds", 0),
        Column("frontier", "frontier"),
    ]
    title = notes.title(study, "Accuracy, communication and latency")
    return Table("glue", title, columns, cells, _headline_notes(study, informative))


def _headline_notes(study: Study, informative: list[str]) -> list[str]:
    return [
        "Average, loss and costs over the tasks where dense/exact beats the majority class by "
        f"{rows.INFORMATIVE_MARGIN:g} points or more: {', '.join(informative) or 'none, so costs over all'}.",
        "Loss, reduction and speed-ups are relative to dense/exact, the loss seed by seed. A row with several "
        "architectures shows mean MB and rounds, and geometric means of ratios.",
        "Dense is tuned first: learning rate and epoch on a selection split cut from train. A compressed model then "
        "has one and the same budget of recovery, whatever the method.",
        notes.seeds(study),
        FRONTIER_NOTE,
        *notes.precision(study),
        *rows.partial_costs(study),
        *notes.provenance(study),
        *notes.clock(study),
        *notes.reasons(study.records),
    ]


def accuracy(records: Iterable[Record]) -> Table:
    """Return one row per task, method and variant: float, fixed-point and MPC scores in percent."""
    study = join(records)
    cells: list[list[Cell]] = []
    for task in study.tasks:
        for row in study.rows:
            found = study.of(row, task)
            if found:
                cells.append([task, *row, found[0]["metric"], *rows.accuracy_cells(found)])
    about = [
        "Percent, mean over seeds; same label (float and MPC answer alike), n MPC and wraps are sums over seeds. "
        "MPC, and float beside it, over the seeds that ran under MPC.",
        "Wraps are elements corrupted by fixed-point truncation; batches with one are left out of the largest "
        "logit difference between float and MPC.",
        "Under MPC each example is padded to the longest of its batch.",
        "Fixed point emulates the engine's rounding and wraps on the whole validation split, without parties.",
        *notes.precision(study),
        *notes.domains(study),
        *notes.training_speed(study),
        *notes.provenance(study),
        *notes.reasons(list(study.accuracy)),
    ]
    title = notes.title(study, "Accuracy in float, fixed point and MPC")
    return Table("accuracy", title, _ACCURACY, cells, about)


def latency(records: Iterable[Record]) -> Table:
    """Return one row per method, variant and architecture: seconds and speed-ups on each network."""
    study = join(records)
    cells: list[list[Cell]] = []
    for names, record in rows.cost_rows(study):
        if record["status"] != "ok":
            cells.append([*names, record["status"], *[None] * 8])
            continue
        cost = summarise(record, study.is_reference(record))
        low, high = (cost.pairs.low, cost.pairs.high) if cost.pairs else (None, None)
        measured = [cost.seconds["loopback"], cost.speedup["loopback"], low, high, len(record["seconds"])]
        modelled = [by_link[link] for link in MODELLED for by_link in (cost.seconds, cost.speedup)]
        cells.append([*names, *measured, *modelled])
    about = [
        "Medians of n inferences; a speed-up is the median of dense over this, pair by pair, with a "
        f"bootstrap interval from {MIN_PAIRS} pairs on.",
        *notes.provenance(study),
        *notes.clock(study),
        *notes.reasons(list(study.costs.values())),
    ]
    return Table("latency", notes.title(study, "Latency"), _LATENCY, cells, about)


def modelled_latency(records: Iterable[Record], network: Network) -> Table:
    """Return one row per method, variant and architecture: seconds and speed-up modelled for ``network``."""
    study = join(records)
    cells: list[list[Cell]] = []
    for names, record in rows.cost_rows(study):
        own, dense = modelled_seconds(record, network), modelled_seconds(record["baseline"], network)
        speedup = dense / own if own and dense else None
        cells.append([*names, own, speedup])
    columns = [*_COST_ROW, Column("seconds", "seconds (modelled)", 3), Column("speedup", "speed-up (modelled)", 2)]
    about = [f"{network.bandwidth / 1e6:g} Mbit/s, {network.rtt * 1e3:g} ms.", *notes.provenance(study)]
    return Table("modelled_latency", notes.title(study, f"Latency on {network.name}"), columns, cells, about)


def communication(records: Iterable[Record]) -> Table:
    """Return one row per method, variant and architecture: online megabytes, rounds, and operator shares."""
    study = join(records)
    cells: list[list[Cell]] = []
    floor = _floor(study)
    for names, record in rows.cost_rows(study):
        if record["status"] != "ok":
            cells.append([*names, record["status"], *[None] * (6 + len(GROUPS))])
            continue
        cost = summarise(record, study.is_reference(record))
        totals = [cost.megabytes, cost.rounds, reduction(cost.byte_ratio)]
        offline = record["offline"]
        dealt = [offline["elements"] / 1e6, offline["bytes_if_sent"] / 1e9] if offline else [None, None]
        once = _session_megabytes(record)
        over = cost.megabytes / floor if floor else None
        cells.append([*names, *totals, *group_megabytes(record).values(), once, over, *dealt])
    about = [
        "Online bytes of one inference, summed over the parties that send them; 1 MB is 1e6 bytes. Rounds "
        "are sequential exchanges.",
        "The linear layers of dense/exact alone are the floor: what a model of this shape sends without any softmax, "
        "activation or norm.",
        "The offline phase is a dealer's and sends nothing here: in no total, it is what the dealer would have to send "
        "to both parties, every tuple as it is.",
        *notes.provenance(study),
        *notes.reasons(list(study.costs.values())),
    ]
    return Table("communication", notes.title(study, "Communication"), _COMMUNICATION, cells, about)


def _session_megabytes(record: Record) -> float | None:
    """Return what opens the weights under their masks, predicted; None where every inference does it again."""
    if not record["switches"].get("weight_masks"):
        return None
    architecture = Architecture.from_spec(record["architecture_spec"])
    return session_bytes(architecture, Switches(**record["switches"])) / 1e6


def _floor(study: Study) -> float | None:
    """Return the megabytes of the dense model's linear layers, if its cost was measured."""
    dense = [cost for cost in study.costs.values() if study.is_reference(cost) and cost["status"] == "ok"]
    return group_megabytes(dense[0])["linear"] if dense else None
