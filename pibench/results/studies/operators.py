"""Operators: errors, where they fail, and costs."""

from __future__ import annotations

import pandas as pd

from pibench.results.records import Record
from pibench.results.render import Column, Table

_INPUT = {
    "activation": "largest pre-activation",
    "softmax": "standard deviation of the scores",
    "norm": "variance",
}


def tables(record: Record) -> list[Table]:
    """Return one row an operator."""
    frame = pd.DataFrame(record["rows"])
    frame = frame.assign(
        input=frame["kind"].map(_INPUT),
        megabytes=frame["bytes_total"].astype(float) / 1e6,
        multiplications=frame["multiplications"].astype(float) / 1e6,
    )
    columns = [
        Column("kind", "kind"),
        Column("operator", "operator"),
        Column("paper", "paper"),
        Column("stated", "stated error", 4),
        Column("float_error", "error in floats", 4),
        Column("fixed_error", "error in fixed point", 4),
        Column("works_from", "works from", 3),
        Column("works_to", "works to", 1),
        Column("input", "of"),
        Column("megabytes", "MB", 2),
        Column("rounds", "rounds", 0),
        Column("multiplications", "million products", 2),
    ]
    about = [
        "Errors are the largest distance from GELU on [-12, 12], from softmax on 128 scores of standard deviation 2, "
        "from LayerNorm at variance 4; an operator without a stated error is not an approximation: models train with "
        "it.",
        "Works from, to: the range in which emulated fixed point (13 fractional bits, no wraps) stays within 5 % of "
        "the function that the operator approximates, or of its own floats where models train with it; blank where the "
        "range reaches the end of the sweep, 1/256 or 16384.",
        "Costs are the ledger's for one MiniLM layer of 128 tokens: 1536 activations a token, 12 heads, 384 features. "
        "Here a softmax divides its weights; the forward pass divides after the product with the values, which is "
        "cheaper.",
        *(f"{row['kind']} {row['operator']}: failed: {row['error']}" for row in record["rows"] if "error" in row),
    ]
    return [Table("operators", "Operators: error, range and cost", frame, columns, about)]
