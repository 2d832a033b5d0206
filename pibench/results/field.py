"""Every method side by side: what its models score and cost, what that rests on, and what its paper reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pibench.engines.security import in_words
from pibench.methods.contract import QUANTITIES, MethodInfo
from pibench.results import notes, rows
from pibench.results.cost import MODELLED
from pibench.results.frontier import NOTE, Frontier
from pibench.results.join import Row, Study, join
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table

_LINKS = {"loopback": "loopback"} | {link: f"{link.upper()}, modelled" for link in MODELLED}
_SPEEDUPS = [Column(f"speedup_{key}", f"speed-up, {name}", 2) for key, name in _LINKS.items()]
_FIELD = [
    Column("method", "method"),
    Column("variant", "variant"),
    Column("loss", "loss (points)", 1),
    Column("loss_fixed", "loss in fixed point", 1),
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


def field(records: Iterable[Record]) -> Table:
    """Return one row per method and variant, in the order of the frontier."""
    study = join(records).comparable
    tasks = rows.averaged_tasks(study)
    frontier = Frontier(study, tasks)
    cells = [
        [*row, *_numbers(study, row, tasks), _security(study, row), frontier.cell(row)] for row in frontier.ordered
    ]
    about = [
        f"Means over {', '.join(tasks) or 'no task'}; loss, reduction and speed-ups are relative to dense/exact, the "
        "loss seed by seed.",
        "Float and fixed point on the whole validation split; MPC, and float beside it, on the first n MPC examples, "
        "of the seeds that ran under MPC.",
        notes.seeds(study),
        NOTE,
        *notes.precision(study),
        *rows.partial_costs(study),
        *notes.provenance(study),
        *notes.clock(study),
        *notes.reasons(study.records),
    ]
    return Table("field", notes.title(study, "The field"), _FIELD, cells, about)


def _numbers(study: Study, row: Row, tasks: list[str]) -> list[Cell]:
    """Return what stands between a row's name and its security: scores, costs, and the offline phase."""
    megabytes, rounds, reduction, *speedups = rows.cost_cells(study, row, tasks)
    scores = rows.average_scores(study, row, tasks)
    seconds, offline = rows.seconds_cells(study, row, tasks), rows.offline_cells(study, row, tasks)
    losses = [rows.loss(study, row, tasks, score) for score in ("float", "fixed")]
    return [*losses, *scores, megabytes, rounds, *seconds, reduction, *speedups, *offline]


def _security(study: Study, row: Row) -> Cell:
    """Return adversary, parties and dealer in a few words; None where nothing ran between parties."""
    models = [record["security"] for record in study.of(row) if record["security"]]
    return in_words(models[0]) if models else None


def reported(records: Iterable[Record], infos: Mapping[str, MethodInfo]) -> Table:
    """Return what papers report beside what was measured here; nothing is divided by anything.

    ``infos`` describe the methods by name; a method without one, or whose paper reports nothing, has no row.
    """
    study = join(records).comparable
    tasks = rows.averaged_tasks(study)
    columns = [
        Column("method", "method"),
        Column("paper", "paper"),
        *(Column(f"reported_{quantity}", f"{quantity}, as reported") for quantity in QUANTITIES),
        Column("variant", "variant here"),
        Column("loss", "loss (points)", 1),
        Column("reduction", "reduction (%)", 1),
        *_SPEEDUPS,
    ]
    cells: list[list[Cell]] = []
    for name, info in sorted(infos.items()):
        stated: list[Cell] = [name, info.paper, *(info.reported.get(quantity) for quantity in QUANTITIES)]
        for row in (row for row in study.rows if row[0] == name and info.reported):
            _, _, *ratios = rows.cost_cells(study, row, tasks)
            cells.append([*stated, row[1], rows.loss(study, row, tasks), *ratios])
            stated = [None] * len(stated)
    about = [
        "Reported: copied from the paper, with the setting that it names; other models, engines, networks and "
        "baselines than here, so that no two of these can be compared, nor one of them with a measured one.",
        "Measured: loss, reduction and speed-ups relative to dense/exact, as in the table of the field.",
        notes.seeds(study),
        *notes.provenance(study),
    ]
    return Table("reported", notes.title(study, "Reported and measured"), columns, cells, about)
