"""The headline table: what each method and variant scores, sends and takes."""

from __future__ import annotations

from pibench.results import notes
from pibench.results.accuracy import score_by_task
from pibench.results.cost import MODELLED
from pibench.results.evidence import Evidence
from pibench.results.render import ROW, TOTALS, Column, Table
from pibench.results.summary import summary, with_statuses


def headline(evidence: Evidence) -> Table:
    """Return one row per method and variant: scores by task, loss, communication and speed-ups."""
    evidence = evidence.comparable
    frame = with_statuses(summary(evidence, evidence.averaged))
    if not evidence.informative:
        frame = frame.assign(average=None)
    columns = [
        *ROW,
        *(Column(task, task, 1) for task in evidence.tasks),
        Column("average", "average", 1),
        Column("loss", "loss (points)", 1, estimated=True),
        Column("loss_control", "loss to the control", 1, estimated=True, optional=True),
        Column("fidelity", "same label (%)", 1, optional=True),
        *TOTALS,
        Column("speedup_loopback", "speed-up", 2),
        *(Column(f"speedup_{link}", f"{link.upper()} speed-up (modelled)", 2) for link in MODELLED),
        Column("seeds", "seeds", 0),
        Column("frontier", "frontier"),
    ]
    title = notes.title(evidence, "Accuracy, communication and latency")
    return Table("glue", title, frame.join(score_by_task(evidence)), columns, _notes(evidence))


def _notes(evidence: Evidence) -> list[str]:
    return [
        f"Average, loss and costs are over the informative tasks, {notes.INFORMATIVE}: "
        f"{', '.join(evidence.informative) or 'none, so costs over all'}.",
        "Loss, reduction and speed-ups are relative to dense/exact, the loss seed by seed. A row with several "
        "architectures shows mean MB and rounds, and geometric means of ratios.",
        "The dense model is tuned first, on a selection split cut from train: its learning rate and number of epochs. "
        "Every compressed model then has the same recovery budget, whatever the method.",
        notes.seeds(evidence),
        *notes.losses(evidence),
        *notes.searches(evidence),
        *notes.precision(evidence),
        *notes.partial_costs(evidence),
        *notes.provenance(evidence),
        *notes.clock(evidence),
        *notes.reasons(evidence.records),
    ]
