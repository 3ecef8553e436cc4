"""What packets of sound tell without being decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from viseme.media.track import EvenPackets

TICK = (1, 48000)


@dataclass
class Packet:
    pts: int | None
    duration: int | None = 1024
    is_discard: bool = False
    is_corrupt: bool = False
    side_data: tuple[str, ...] = ()

    def has_sidedata(self, kind: str) -> bool:
        return kind in self.side_data


def shown(count: int = 4, tick: tuple[int, int] | None = TICK, duration: int = 1024) -> EvenPackets:
    """As many packets of 1024 samples, one after the other, each decoded."""
    even = EvenPackets()
    for number in range(count):
        packet: Any = Packet(number * duration, duration)
        assert not even.take(packet)
        even.learn(packet, 1024, 48000, tick)
    return even


def test_a_packet_like_four_in_a_row_before_it_need_not_be_decoded() -> None:
    even = shown()
    assert [even.take(packet(number)) for number in (4, 5, 6)] == [True] * 3
    assert even.sample_count == 1024


def packet(number: int, **more: Any) -> Any:
    return Packet(number * 1024, **more)


@pytest.mark.parametrize(
    "odd",
    [
        packet(5),
        packet(3),
        packet(4, duration=1023),
        packet(4, duration=None),
        packet(4, is_discard=True),
        packet(4, is_corrupt=True),
        packet(4, side_data=("skip_samples",)),
        packet(4, side_data=("new_extradata",)),
        Packet(None),
    ],
    ids=str,
)
def test_any_other_packet_is_decoded(odd: Any) -> None:
    even = shown()
    assert not even.take(odd)
    # It was not taken: what comes in its place still may be.
    assert even.take(packet(4))


@pytest.mark.parametrize(("count", "tick"), [(3, TICK), (4, None), (4, (1, 1000)), (4, (1, 90000))])
def test_too_few_packets_or_inexact_times_show_nothing(
    count: int, tick: tuple[int, int] | None
) -> None:
    assert not shown(count, tick).take(packet(count))


def test_after_a_packet_of_another_length_four_more_have_to_be_decoded() -> None:
    even = shown()
    even.learn(packet(4, duration=512), 512, 48000, TICK)
    start = 4 * 1024 + 512
    for number in range(4):
        next_one: Any = Packet(start + number * 1024)
        assert not even.take(next_one)
        even.learn(next_one, 1024, 48000, TICK)
    last: Any = Packet(start + 4 * 1024)
    assert even.take(last)


def test_a_packet_of_which_nothing_comes_shows_nothing() -> None:
    even = shown()
    even.learn(packet(4), 0, 48000, TICK)
    assert not even.take(packet(5))
