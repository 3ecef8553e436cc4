"""Repetitions: in which order they are made, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, with the least and the most of them."""

    middle: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values), len(values))


def alternating(names: Sequence[T], rounds: int) -> Iterator[T]:
    """All names in each round, every other round backwards: drift of the machine hits all alike."""
    for number in range(rounds):
        yield from names if number % 2 == 0 else reversed(names)


def slope(lengths: Sequence[float], values: Sequence[float]) -> float:
    """The exponent k of the power ``value = c * length ** k`` that fits best: 1 is linear."""
    xs, ys = [log(x) for x in lengths], [log(y) for y in values]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - mean_x) ** 2 for x in xs)
