import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from swapfill.video_stages import Item, Lost, Other, Pixels, Seen, Stages
from swapfill.video_steady import Frame

PATIENCE = 30.0  # seconds; only a test that fails waits so long


def _frame(number: int) -> Frame:
    return Frame(np.full((2, 2, 3), number, np.uint8), np.ones((2, 2), np.bool_))


def _seen(number: int, write: Callable[[int, int], None]) -> Seen:
    """Make a frame whose pixels are its number; it is written by its number and its fill's."""
    return Seen(_frame(number), lambda fill: write(number, int(fill[0, 0, 0])))


def _plus_100(frames: Sequence[Frame]) -> list[Pixels]:
    return [frame.pixels + 100 for frame in frames]


def _stages(fill: Any = _plus_100, batch: int = 1) -> Stages:
    return Stages(fill, batch, lambda frames: None)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_everything_is_written_in_order_whatever_the_batch(batch: int) -> None:
    written, told, batches = list[Any](), list[int](), list[int]()

    def fill(frames: Sequence[Frame]) -> list[Pixels]:
        batches.append(len(frames))
        return _plus_100(frames)

    def items() -> Iterator[Item]:
        for i in range(6):
            yield _seen(i, lambda number, fill: written.append((number, fill)))
            if i == 3:
                yield Lost("frame 4", "torn", partial(written.append, "again"))

    stages = Stages(fill, batch, told.append)
    stages.run(items())
    first = [(i, i + 100) for i in range(4)]
    assert written == [*first, "again", (4, 104), (5, 105)]
    assert told == list(range(1, 8))
    assert (stages.frames, stages.lost) == (7, 1)
    assert max(batches) <= batch
    assert sum(batches) == 6


def test_other_streams_are_written_as_they_come() -> None:
    written, told = list[str](), list[int]()

    def items() -> Iterator[Item]:
        yield Other(partial(written.append, "sound 0"))
        yield _seen(0, lambda number, fill: written.append("frame"))
        yield Other(partial(written.append, "sound 1"))

    Stages(_plus_100, 1, told.append).run(items())
    assert written == ["sound 0", "frame", "sound 1"]
    assert told == [1]  # sound is no frame


def test_later_frames_are_read_while_one_is_filled() -> None:
    read = [threading.Event() for _ in range(4)]
    in_time = list[bool]()

    def items() -> Iterator[Item]:
        for i in range(4):
            read[i].set()
            yield _seen(i, lambda number, fill: None)

    def fill(frames: Sequence[Frame]) -> list[Pixels]:
        if frames and frames[0].pixels[0, 0, 0] == 0:
            in_time.append(read[2].wait(PATIENCE))
        return _plus_100(frames)

    _stages(fill).run(items())
    assert in_time == [True]


def test_a_frame_is_written_while_the_next_is_filled() -> None:
    filling, in_time = threading.Event(), list[bool]()

    def fill(frames: Sequence[Frame]) -> list[Pixels]:
        if frames and frames[0].pixels[0, 0, 0] == 1:
            filling.set()
        return _plus_100(frames)

    def write(number: int, fill: int) -> None:
        if number == 0:
            in_time.append(filling.wait(PATIENCE))

    _stages(fill).run(iter([_seen(i, write) for i in range(3)]))
    assert in_time == [True]


@pytest.mark.parametrize("where", ["read", "fill", "write", "tell"])
def test_what_fails_anywhere_is_raised_and_stops_the_others(where: str) -> None:
    def fail(stage: str, number: int) -> None:
        if stage == where and number == 3:
            raise KeyboardInterrupt if stage == "tell" else ValueError("broken")

    read = list[int]()

    def items() -> Iterator[Item]:
        for i in range(100_000):
            fail("read", i)
            read.append(i)
            yield _seen(i, lambda number, fill: fail("write", number))

    def fill(frames: Sequence[Frame]) -> list[Pixels]:
        for frame in frames:
            fail("fill", int(frame.pixels[0, 0, 0]))
        return _plus_100(frames)

    stages = Stages(fill, 1, partial(fail, "tell"))
    with pytest.raises(KeyboardInterrupt if where == "tell" else ValueError):
        stages.run(items())
    assert len(read) < 100
    names = {thread.name.rpartition("_")[0] for thread in threading.enumerate()}
    assert not names & {"swapfill-reader", "swapfill-writer"}


def test_a_lost_frame_is_named_and_left_out_where_none_was_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    again = list[int]()
    lost = [Lost("frame 0", "torn", None), Lost("frame 5", "cut", partial(again.append, 5))]
    stages = _stages()
    with caplog.at_level(logging.WARNING, "swapfill"):
        stages.run(iter([lost[0], _seen(0, lambda number, fill: None), lost[1]]))
    assert caplog.messages == [
        "frame 0 cannot be decoded (torn): none before, left out",
        "frame 5 cannot be decoded (cut): the one before is shown",
    ]
    assert again == [5]
    assert (stages.frames, stages.lost) == (2, 2)
