"""Which rows are worth having: those than which no other loses as little for no more bytes and rounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pibench.results import rows
from pibench.results.cost import LINKS
from pibench.results.join import REFERENCE, Row, Study
from pibench.results.render import Cell

NOTE = (
    "Frontier: no other row loses as little for no more bytes and no more rounds; where one does, it is named. What "
    "counts is the loss in floats or in fixed point, whichever is larger; half a point at one seed is noise."
)


@dataclass(frozen=True)
class Point:
    """Where a row stands: the points it loses, its megabytes and its rounds."""

    loss: float
    megabytes: float
    rounds: float

    def beats(self, other: Point) -> bool:
        """Say whether this is no worse anywhere, and better somewhere."""
        no_worse = self.loss <= other.loss and self.megabytes <= other.megabytes and self.rounds <= other.rounds
        return no_worse and self != other


@dataclass(frozen=True)
class Frontier:
    """The rows of a study on the plane of accuracy and cost, over ``tasks``."""

    study: Study
    tasks: list[str]

    @cached_property
    def points(self) -> dict[Row, Point]:
        """The rows that have a loss and a cost."""
        found = {}
        for row in self.study.rows:
            loss = self._loss(row)
            megabytes, rounds = rows.cost_cells(self.study, row, self.tasks)[:2]
            if loss is not None and isinstance(megabytes, float) and isinstance(rounds, float | int):
                found[row] = Point(loss, megabytes, rounds)
        return found

    def _loss(self, row: Row) -> float | None:
        """Return what a row loses in floats or in fixed point; a row without any emulation, in floats."""
        emulated = any(record["fixed"] is not None for record in self.study.of(row))
        losses = [rows.loss(self.study, row, self.tasks, score) for score in ("float", "fixed")[: 1 + emulated]]
        return max(lost for lost in losses if lost is not None) if None not in losses else None

    def prices(self, row: Row) -> dict[str, float | None]:
        """Return what a row of ``points`` costs: seconds by link, megabytes and rounds."""
        seconds = dict(zip(LINKS, rows.seconds_cells(self.study, row, self.tasks), strict=True))
        return seconds | {"megabytes": self.points[row].megabytes, "rounds": self.points[row].rounds}

    def beaten_by(self, row: Row) -> Row | None:
        """Return the row that loses the least of those that beat this one, if any does."""
        own = self.points[row]
        better = [other for other, point in self.points.items() if point.beats(own)]
        return min(better, key=lambda other: self.points[other].loss, default=None)

    def cell(self, row: Row) -> Cell:
        """Return ``yes``, or which row beats this one; None for a row that lacks a number."""
        if row not in self.points:
            return None
        better = self.beaten_by(row)
        return "yes" if better is None else "no: " + "/".join(better)

    @property
    def ordered(self) -> list[Row]:
        """All rows: the reference, then the frontier, the rest, and what lacks a number, each by loss."""

        def rank(row: Row) -> tuple[bool, bool, bool, float]:
            point = self.points.get(row)
            beaten = point is not None and self.beaten_by(row) is not None
            return (row != REFERENCE, point is None, beaten, point.loss if point else 0.0)

        return sorted(self.study.rows, key=rank)
