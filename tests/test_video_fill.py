import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from swapfill import pipeline
from swapfill.bundle import Bundle
from swapfill.config import FillSettings
from swapfill.engines import load_engine
from swapfill.errors import NoKnownPatchError
from swapfill.pipeline import Start
from swapfill.video_fill import FrameFiller, VideoSettings
from swapfill.video_steady import Frame
from video_files import pattern, square_hole

Calls = list[tuple[int, bool]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Stand-in for the networks: each call fills with other noise, and is noted."""
    made: Calls = []

    def fill(
        engine: Any, incomplete: Any, hole: Any, settings: Any, *, start: Start | None = None
    ) -> Any:
        made.append((len(incomplete), start is not None))
        result = incomplete.copy()
        noise = np.random.default_rng(len(made)).normal(0.5, 0.1, result.shape)
        result[hole] = noise[hole]
        return result

    monkeypatch.setattr(pipeline, "fill_windows", fill)
    return made


def _frames(count: int, step: float = 1.5) -> list[Frame]:
    return [Frame(pixels, square_hole(96, 96)) for pixels in pattern(count, 96, 96, step)]


def _filler(**asked: Any) -> FrameFiller:
    return FrameFiller(None, FillSettings(), VideoSettings.read(asked, "test"))  # type: ignore[arg-type]


def _fill(filler: FrameFiller, frames: list[Frame]) -> list[NDArray[Any]]:
    return [filler([frame])[0] for frame in frames]


def _flicker(results: list[NDArray[Any]], step: float = 1.5) -> float:
    """Measure how a hole's middle differs from the frame before, moved."""
    from swapfill.flow import warped

    flow = np.zeros((96, 96, 2), np.float32)
    flow[..., 0] = step
    hole = np.zeros((96, 96), np.bool_)
    hole[38:46, 38:44] = True
    pairs = itertools.pairwise(results)
    return float(np.mean([np.abs(warped(a, flow)[0] - b)[hole].mean() for a, b in pairs]))


def test_known_pixels_stay_and_the_first_frame_alone_is_filled_anew(calls: Calls) -> None:
    frames, filler = _frames(5), _filler(steadiness=1)
    results = _fill(filler, frames)
    for frame, result in zip(frames, results, strict=True):
        assert np.array_equal(result[~frame.hole], frame.pixels[~frame.hole])
        assert not np.array_equal(result[frame.hole], frame.pixels[frame.hole])
    assert calls == [(1, False)]
    assert filler.alone == 1


def test_steady_frames_flicker_less(calls: Calls) -> None:
    wild = _flicker(_fill(_filler(steadiness=0), _frames(6)))
    half = _flicker(_fill(_filler(steadiness=0.5), _frames(6)))
    steady = _flicker(_fill(_filler(steadiness=1), _frames(6)))
    assert steady < 0.7 * half < 0.7 * wild


def test_below_1_each_frame_is_filled_from_the_one_before(calls: Calls) -> None:
    _fill(_filler(steadiness=0.5), _frames(3))
    assert calls == [(1, False), (1, True), (1, True)]
    calls.clear()
    _fill(_filler(steadiness=0), _frames(3))
    assert calls == [(1, False)] * 3


def test_a_cut_starts_anew(calls: Calls) -> None:
    frames = _frames(4)
    frames[2:] = [Frame(255 - frame.pixels, frame.hole) for frame in frames[2:]]
    filler = _filler(steadiness=1)
    _fill(filler, frames)
    assert (filler.cuts, filler.alone) == (1, 2)


def test_cuts_inside_a_batch_are_counted_once_and_start_anew(calls: Calls) -> None:
    shot = _frames(4)
    other = [Frame(255 - frame.pixels, frame.hole) for frame in shot]
    filler = _filler(steadiness=1, batch=3)
    filler(shot[:2])
    filler([shot[2], other[2], other[3]])  # a cut
    assert filler.cuts == 1
    filler([other[3], shot[3], other[3]])  # a flash
    assert filler.cuts == 3


def test_frames_of_noise_are_filled_whatever_the_batch(calls: Calls) -> None:
    rng, hole = np.random.default_rng(0), square_hole(32, 32)
    for batch in (1, 2, 3):
        filler = _filler(steadiness=1, batch=batch)
        for _ in range(3):
            noise = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(batch)]
            frames = [Frame(pixels, hole) for pixels in noise]
            for frame, result in zip(frames, filler(frames), strict=True):
                assert np.array_equal(result[~hole], frame.pixels[~hole])


def test_motion_that_explains_nothing_starts_anew(calls: Calls) -> None:
    rng = np.random.default_rng(0)
    frames = _frames(2)
    noise = rng.integers(0, 255, (96, 96, 3), np.uint8)
    filler = _filler(steadiness=1)
    _fill(filler, [frames[0], Frame(noise, frames[1].hole)])
    assert filler.alone == 2


def test_frames_of_a_batch_go_together_and_start_from_the_one_before_it(calls: Calls) -> None:
    frames, filler = _frames(6, 0.5), _filler(steadiness=0.5, batch=3)
    filler(frames[:3])
    filler(frames[3:])
    assert calls == [(3, False), (3, True)]


def test_frames_that_change_size_and_frames_without_a_hole_are_taken(calls: Calls) -> None:
    filler = _filler(steadiness=1)
    small = Frame(pattern(1, 40, 50)[0], square_hole(40, 50))
    none = Frame(small.pixels, np.zeros((40, 50), np.bool_))
    results = _fill(filler, [*_frames(2), small, none, small, none])
    assert np.array_equal(results[3], none.pixels)
    assert [result.shape for result in results[2:]] == [(40, 50, 3)] * 4


def test_16_bits_stay_16_bits(calls: Calls) -> None:
    frames = [Frame(f.pixels.astype(np.uint16) * 257, f.hole) for f in _frames(3)]
    results = _fill(_filler(steadiness=1), frames)
    assert [result.dtype for result in results] == [np.uint16] * 3
    assert np.array_equal(results[2][~frames[2].hole], frames[2].pixels[~frames[2].hole])
    assert len(np.unique(results[2][frames[2].hole] % 257)) > 1


def test_a_window_with_nothing_to_copy_is_filled_smoothly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NoKnownPatchError("nothing to copy")

    monkeypatch.setattr(pipeline, "fill_windows", refuse)
    frame = _frames(1)[0]
    (result,) = _filler(steadiness=1)([frame])
    inside, around = result[frame.hole], frame.pixels[~frame.hole]
    assert around.min() <= inside.min() <= inside.max() <= around.max()
    assert "filled smoothly" in caplog.text


def test_the_real_networks_take_a_start(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    engine = load_engine("torch", bundle, "cpu", "fp32")
    filler = FrameFiller(engine, bundle.config.fill, VideoSettings(steadiness=0.5))
    frames = _frames(2)
    results = _fill(filler, frames)
    assert filler.alone == 1
    assert np.array_equal(results[1][~frames[1].hole], frames[1].pixels[~frames[1].hole])
