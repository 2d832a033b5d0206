"""How far SPU's logits and scores are from the floats'."""

from __future__ import annotations

import pandas as pd

from pibench.engines.registry import title_of
from pibench.results.records import Record
from pibench.results.render import ROW, Column, Table


def tables(record: Record) -> list[Table]:
    """Return one row for each model that was run."""
    frame = pd.DataFrame(record["rows"])
    frame = frame.assign(
        engine=frame["engine"].map(title_of),
        examples=frame["n"],
        float=frame["float_on_subset"],
        spu=frame["mpc"],
        agree=frame["labels_agree"],
        difference=frame["max_logit_difference"],
    )
    columns = [
        Column("task", "task"),
        *ROW,
        Column("engine", "engine"),
        Column("examples", "examples", 0),
        Column("float", "float", 1),
        Column("spu", "on SPU", 1),
        Column("agree", "labels agree", 0),
        Column("difference", "largest logit difference", 3),
    ]
    about = [
        "Scores of the first validation examples in floats and on SPU (18 fractional bits; GELU by tanh), seed 0, in "
        "percent; so few examples do not measure accuracy, they only compare the two.",
    ]
    return [Table("spu_accuracy", "Float against SPU", frame, columns, about)]
