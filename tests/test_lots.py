import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from swapfill.errors import NoKnownPatchError
from swapfill.lots import Asked, Fill, Lots, SharedLots, Turns
from swapfill.masks import Hole

Floats = NDArray[np.float32]


def windows(seed: int, count: int, side: int = 128) -> Asked:
    rng = np.random.default_rng(seed)
    hole = np.zeros((count, side, side), np.bool_)
    hole[:, 3:9, 4:12] = True
    return Asked(rng.random((count, side, side, 3), np.float32), hole)


def by_shape(shapes: list[int] | None = None) -> Fill:
    """A runtime that rounds otherwise for another size of batch, as real ones do."""

    def fill(incomplete: Floats, hole: Hole) -> Floats:
        if shapes is not None:
            shapes.append(len(hole))
        return incomplete * 0.5 + np.float32(1e-3 * len(hole))

    return fill


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "mps"])
@pytest.mark.parametrize("side", [128, 256])
def test_windows_of_several_pictures_are_filled_as_each_picture_alone(
    device: str, side: int
) -> None:
    lots = Lots(by_shape(), device)
    asked = [windows(seed, count, side) for seed, count in enumerate((1, 5, 3, 8, 2))]
    together = lots.together(asked)
    for one, filled in zip(asked, together, strict=True):
        np.testing.assert_array_equal(filled, lots(one))
        assert filled.shape == one.incomplete.shape


@pytest.mark.parametrize(
    ("device", "side", "shapes"),
    [
        ("cpu", 128, [4, 4, 1, 1, 1]),
        ("cpu", 256, [1] * 11),
        ("cuda", 128, [16]),
        ("cuda", 256, [4, 4, 4]),
        ("cuda:1", 512, [1] * 11),
    ],
)
def test_a_lot_has_one_size_for_each_side_and_device(
    device: str, side: int, shapes: list[int]
) -> None:
    found: list[int] = []
    Lots(by_shape(found), device)(windows(0, 11, side))
    assert found == shapes


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_window_with_nothing_to_copy_is_black_and_the_others_are_filled(
    device: str, caplog: pytest.LogCaptureFixture
) -> None:
    def picky(incomplete: Floats, hole: Hole) -> Floats:
        if (hole.sum(axis=(1, 2)) > 48).any():
            raise NoKnownPatchError("no patch")
        return by_shape()(incomplete, hole)

    asked = windows(0, 6)
    asked.hole[2] = True
    filled = Lots(picky, device)(asked)
    size = 16 if device == "cuda" else 4
    alone = by_shape()(*windows(0, 6)) + np.float32(1e-3 * (size - 6))
    assert (filled[2] == 0).all()
    np.testing.assert_allclose(filled[[0, 1, 3]], alone[[0, 1, 3]], atol=1e-6)
    assert [record.message for record in caplog.records] == [
        "a window is filled smoothly: no patch"
    ]


@contextmanager
def shared(lots: Lots) -> Iterator[SharedLots]:
    with closing(Turns()) as turns:
        yield SharedLots(lots, turns)


def from_threads(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()


def test_what_threads_ask_while_the_engine_works_goes_into_one_lot() -> None:
    found: list[int] = []
    first_is_in, all_ask = threading.Event(), threading.Event()
    asked = [windows(seed, 2) for seed in range(6)]
    filled: dict[int, Floats] = {}

    def slow(incomplete: Floats, hole: Hole) -> Floats:
        first_is_in.set()
        assert all_ask.wait(timeout=20)
        return by_shape(found)(incomplete, hole)

    lots = Lots(slow, "cuda")
    with shared(lots) as together:

        def ask(index: int) -> None:
            if index:
                assert first_is_in.wait(timeout=20)
            filled[index] = together(asked[index])

        def watch() -> None:
            assert first_is_in.wait(timeout=20)
            while len(together.turns._waiting) < 5:
                threading.Event().wait(0.001)
            all_ask.set()

        from_threads([watch, *(lambda i=i: ask(i) for i in range(6))])
    assert found == [16, 16]  # the first alone, filled up; the other ten windows together
    for i, one in enumerate(asked):
        np.testing.assert_array_equal(filled[i], lots(one))


def test_many_threads_get_each_their_own_windows_of_any_side() -> None:
    lots = Lots(by_shape(), "cuda")
    asked = [windows(seed, 1 + seed % 3, 128 << (seed % 2)) for seed in range(12)]
    filled: dict[int, Floats] = {}
    with shared(lots) as together:

        def ask(index: int) -> None:
            filled[index] = together(asked[index])

        from_threads([lambda i=i: ask(i) for i in range(12)])  # type: ignore[misc]
    for i, one in enumerate(asked):
        np.testing.assert_array_equal(filled[i], lots(one))


def test_lots_of_equal_keys_share_their_turns_and_others_do_not() -> None:
    turns, found = Turns(), list[int]()
    one, alike = (Lots(by_shape(found), "cuda", key="these settings") for _ in range(2))
    other = Lots(by_shape(found), "cuda", key="those settings")
    held, all_ask = threading.Event(), threading.Event()
    filled: dict[int, Floats] = {}

    def hold() -> None:
        held.set()
        assert all_ask.wait(timeout=20)

    def ask(index: int, lots: Lots) -> None:
        assert held.wait(timeout=20)
        filled[index] = turns.fill(lots, windows(index, 2))

    def watch() -> None:
        while len(turns._waiting) < 3:
            threading.Event().wait(0.001)
        all_ask.set()

    asking = (lambda i=i, n=n: ask(i, n) for i, n in enumerate((one, other, alike)))
    from_threads([lambda: turns.run(hold), watch, *asking])
    turns.close()
    assert found == [16, 16]
    for i in range(3):
        np.testing.assert_array_equal(filled[i], one(windows(i, 2)))


def test_long_work_can_give_way_to_windows_that_wait() -> None:
    turns, lots = Turns(), Lots(by_shape(), "cuda")
    at_work, filled = threading.Event(), list[Floats]()

    def work() -> None:
        turns.give_way()  # nobody waits
        at_work.set()
        while not turns._waiting:
            threading.Event().wait(0.001)
        turns.give_way()
        assert not turns._waiting

    def ask() -> None:
        assert at_work.wait(timeout=20)
        filled.append(turns.fill(lots, windows(0, 2)))

    from_threads([lambda: turns.run(work), ask])
    turns.close()
    np.testing.assert_array_equal(filled[0], lots(windows(0, 2)))


def test_a_fault_of_the_engine_reaches_who_asked() -> None:
    def broken(incomplete: Floats, hole: Hole) -> Floats:
        raise ZeroDivisionError("engine")

    with shared(Lots(broken, "cpu")) as together, pytest.raises(ZeroDivisionError, match="engine"):
        together(windows(0, 1))
