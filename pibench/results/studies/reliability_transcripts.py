"""Whether what a party receives is uniform, and whether it reveals anything."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import table


def tables(record: Record) -> list[Table]:
    """Return one row per party and a sender."""
    columns = [
        Column("received", "received by, from"),
        Column("runs", "runs", 0),
        Column("messages", "messages a run", 0),
        Column("uniform", "uniform: p", 3),
        Column("told_apart", "two texts alike: p", 3),
        Column("follows", "does not follow the text: p", 3),
        Column("joint", "uniform beside what is sent: p", 3),
    ]
    about = [
        "Whole runs of an encoder with a third-party dealer: a third on one chosen text, a third on another, "
        "a third on texts that grow with a number. p is the smallest of all messages, Bonferroni-corrected, at most 1; "
        "below 0.001 it would mean a leak.",
        "Uniform, alike, and uniform beside what is sent: chi-square tests on groups of four bits. Following the text: "
        "Spearman's correlation of each message's mean with the text's number. The same tests reject runs without "
        "masks (`tests/test_transcripts.py`).",
        "Left out: the attention mask, which is public, and the last message, which opens the logits to both.",
    ]
    return [table(record, "What a party receives, with a third-party dealer", columns, about)]
