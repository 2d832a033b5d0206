"""The tables of reliability: faults, interruptions, what a party sees, and bad input."""

from __future__ import annotations

from collections.abc import Sequence

from pibench.results.methods import source
from pibench.results.records import Record
from pibench.results.render import Column, Table

_TRIED = [
    Column("times", "times tried", 0),
    Column("survived", "survived", 0),
    Column("lost", "finished cells lost", 0),
    Column("orphans", "processes left behind", 0),
    Column("tracebacks", "raw tracebacks", 0),
    Column("saw", "what the user saw most often"),
]


def faults(record: Record) -> Table:
    """Return what became of runs under which a party or the machine failed."""
    about = [
        "Survived: what had to fail did so within its deadline and for that reason, in the record or as the run's last "
        "word; all other cells finished; nothing stayed behind. A party is struck at a random moment of its life.",
        "A full disk or read-only folder ends the run with that sentence; resumed on a repaired disk, it finishes. "
        "Strangers are turned away, and the right client is served after them.",
    ]
    return _table(record, "Faults", [Column("fault", "fault"), *_TRIED], about)


def interruptions(record: Record) -> Table:
    """Return what became of runs that were killed, interrupted, or not alone."""
    about = [
        "Stopped at moments spread evenly over the run, and resumed until it is done: every finished cell is still "
        "there, byte for byte, and what the cells measure is what a run that nobody stopped measures.",
    ]
    return _table(record, "Killed, interrupted, not alone", [Column("fault", "what happened"), *_TRIED], about)


def transcripts(record: Record) -> Table:
    """Return how far what a party receives is from uniform, and from telling anything."""
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
        "a third on texts that grow with a number. p is the smallest of all messages, by Bonferroni's rule, 1 at most; "
        "below 0.001 it would mean a leak.",
        "Uniform, alike, and beside what is sent: chi-square on the bits by fours. Following the text: Spearman's "
        "correlation of each message's mean. The same tests reject runs without masks (`tests/test_transcripts.py`).",
        "Left out: the attention mask, which is public, and the last message, which opens the logits to both.",
    ]
    return _table(record, "What a party receives, with a third-party dealer", columns, about)


def leak(record: Record) -> Table:
    """Return how much of the client's text the server reads back from its own view."""
    columns = [
        Column("dealer", "dealer"),
        Column("numbers", "numbers in the client's text", 0),
        Column("read_back", "the server reads back", 0),
    ]
    about = ["With the dealer at party 0, the engine is for measuring only: see [security.md](security.md)."]
    return _table(record, "What the dealer at party 0 gives away", columns, about)


def inputs(record: Record) -> Table:
    """Return what readers did with damaged and made-up input."""
    columns = [
        Column("reader", "reader of"),
        Column("tried", "inputs tried", 0),
        Column("read", "taken: sound after all", 0),
        Column("refused", "refused in one sentence", 0),
        Column("others", "anything else", 0),
    ]
    about = [
        "Inputs are drawn by hypothesis: whole files with bytes cut off or overwritten, random bytes, random text, and "
        "what looks nearly right. Checkpoints load as weights only, and messages are never unpickled.",
    ]
    return _table(record, "Bad input", columns, about)


def _table(record: Record, title: str, columns: Sequence[Column], about: list[str]) -> Table:
    rows = [[row[column.key] for column in columns] for row in record["rows"]]
    commits = sorted({str(row["commit"])[:12] for row in record["rows"] if "commit" in row})
    own = [f"Rows are of commit {', '.join(commits)}."] if commits else []
    return Table(record["name"], title, list(columns), rows, [*about, *own, source(record)])
