"""Ratios of one run: ours against a bare equivalent, measured in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """`ours / bare`, and the bound it is held against; None where it is printed for the record."""

    what: str
    ours: float
    bare: float
    unit: str
    at_most: float | None = None

    @property
    def value(self) -> float:
        return self.ours / self.bare

    @property
    def is_missed(self) -> bool:
        return self.at_most is not None and self.value > self.at_most

    def __str__(self) -> str:
        bound = f"at most {self.at_most:.2f}" if self.at_most is not None else "for the record"
        mark = "  MISSED" if self.is_missed else ""
        figures = f"{self.ours:9.2f} / {self.bare:9.2f} {self.unit:<3}"
        return f"{self.what:<72} {figures} = {self.value:5.2f}   ({bound}){mark}"


def median_of(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The pair whose ratio is the median: ours and bare of one and the same round."""
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]
