"""The trajectory that a stepwise compression search records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Point:
    """A model on the trajectory.

    ``tau`` is the price that the search had reached, in nats per megabyte; ``predicted_loss`` is in nats; ``megabytes``
    are those of one inference, both directions; ``score`` is on the selection split, in percent.
    """

    tau: float
    predicted_loss: float
    megabytes: float
    score: float


class Move(NamedTuple):
    """One change to a layer (-1: to all), its dimension, and the result; the numbers are those of a Point."""

    layer: int
    dimension: str
    to: str
    tau: float
    predicted_loss: float
    megabytes: float


@dataclass(frozen=True)
class Trajectory:
    """The path of one search, from the dense model to the chosen one.

    Args:
        dense_score: the dense model's score on the selection split, in percent.
        tolerance: the points that may be lost.
        chosen: what the search returned.
        stages: the models along the path, each after a short recovery.
        recovered: the models that were recovered in full.
        moves: all changes in the order of the search, also those that were not reached.
    """

    dense_score: float
    tolerance: float
    chosen: Point
    stages: tuple[Point, ...]
    recovered: tuple[Point, ...]
    moves: tuple[Move, ...]

    @property
    def within(self) -> bool:
        """Whether the chosen model is within the tolerance."""
        return round(self.dense_score - self.chosen.score, 6) <= self.tolerance

    def notes(self) -> dict[str, Any]:
        """Return the trajectory as JSON types, for ``Model.notes`` and records."""
        return asdict(self) | {
            "within": self.within,
            "stages": [asdict(point) for point in self.stages],
            "recovered": [asdict(point) for point in self.recovered],
            "moves": [list(move) for move in self.moves],
        }

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Trajectory | None:
        """Return the trajectory in a model's notes, or None where its method left none."""
        if not notes.keys() >= cls.__dataclass_fields__.keys():
            return None
        return cls(
            notes["dense_score"],
            notes["tolerance"],
            Point(**notes["chosen"]),
            tuple(Point(**point) for point in notes["stages"]),
            tuple(Point(**point) for point in notes["recovered"]),
            tuple(Move(*move) for move in notes["moves"]),
        )
