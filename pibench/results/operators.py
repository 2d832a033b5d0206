"""The table of operators: errors, where they fail, and costs."""

from __future__ import annotations

from pibench.results.methods import source
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table

_INPUT = {
    "activation": "largest pre-activation",
    "softmax": "standard deviation of the scores",
    "norm": "variance",
}


def operators(record: Record) -> Table:
    """Return one row an operator."""
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
    rows: list[list[Cell]] = [
        [
            row["kind"],
            row["operator"],
            row["paper"],
            row["stated"],
            row["float_error"],
            row["fixed_error"],
            row["works_from"],
            row["works_to"],
            _INPUT[row["kind"]],
            _millions(row["bytes_total"]),
            row["rounds"],
            _millions(row["multiplications"]),
        ]
        for row in record["rows"]
    ]
    about = [
        "Errors are the largest distance from GELU on [-12, 12], from softmax on 128 scores of standard deviation 2, "
        "from LayerNorm at variance 4; an operator without a stated error is no approximation: models train with it.",
        "Works from, to: where emulated fixed point (13 fractional bits, no wraps) stays within 5 % of what the "
        "operator stands for, or of its own floats where models train with it; nothing where that is from 1/256 or to "
        "16384.",
        "Costs are the ledger's for one MiniLM layer of 128 tokens: 1536 activations a token, 12 heads, 384 features. "
        "Here a softmax divides its weights; the forward pass divides after the values, for less.",
        *(f"{row['kind']} {row['operator']}: failed: {row['error']}" for row in record["rows"] if "error" in row),
        source(record),
    ]
    return Table("operators", "Operators: error, range and cost", columns, rows, about)


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
