"""How many inferences a truncation wrap corrupted, and whether every one of them was seen."""

from __future__ import annotations

import pandas as pd

from pibench.results.records import Record
from pibench.results.render import Column, Table


def tables(record: Record) -> list[Table]:
    """Return one row for each number of fractional bits."""
    columns = [
        Column("fraction_bits", "fractional bits", 0),
        Column("inferences", "layer inferences", 0),
        Column("wraps", "wraps counted", 0),
        Column("corrupted", "inferences with a wrap", 0),
        Column("wrong", "inferences with a wrong result", 0),
        Column("undetected", "wrong without a wrap counted", 0),
        Column("largest_difference", "largest logit difference without a wrap", 3),
    ]
    about = [
        "In truncation each party divides its own share, which goes wrong where the two shares wrap around the ring. "
        "The audit compares the top bytes of both shares before every division (which a real run cannot do).",
        "A result is wrong if a logit differs from float by more than 0.5.",
    ]
    frame = pd.DataFrame(record["rows"])
    return [Table("engine_wraps", "Engine: truncation wraps", frame, columns, about)]
