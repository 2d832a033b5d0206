"""What each part of a method is worth."""

from __future__ import annotations

import pandas as pd

from pibench.results.records import Record
from pibench.results.render import Column, Table


def tables(record: Record) -> list[Table]:
    """Return what each ablation reached, one row per task, method and ablation."""
    frame = pd.DataFrame(record["rows"])
    frame = frame.assign(
        loss=frame["dense_float"] - frame["float"],
        selection_loss=frame["dense_selection"] - frame["selection"].astype(float),
        megabytes=frame["bytes_total"] / 1e6,
        reduction=100 * (1 - frame["bytes_total"] / frame["dense_bytes_total"]),
    )
    columns = [
        Column("task", "task"),
        Column("method", "method"),
        Column("ablation", "ablation"),
        Column("float", "float", 1),
        Column("loss", "loss (points)", 1),
        Column("selection_loss", "loss on the selection split", 1),
        Column("megabytes", "MB", 2),
        Column("reduction", "reduction (%)", 1),
        Column("rounds", "rounds", 0),
    ]
    first = record["rows"][0]
    about = [
        "Each search has the same dense model, tolerance (2.3 points on the selection split) and budget: "
        f"{first['epochs']} epochs of at most {first['examples']} examples; one seed.",
        "Megabytes and rounds are the ledger's, at sequence length 128.",
    ]
    return [Table("methods_ablation", "Methods taken apart", frame, columns, about)]
