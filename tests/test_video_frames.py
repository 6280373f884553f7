from typing import Any

import av
import numpy as np
import pytest

from swapfill.errors import VideoError
from swapfill.video_frames import _samples, planar, put_fill, rgb_of
from video_files import pattern, square_hole

FORMATS = (
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuvj420p",
    "yuva420p",
    "yuv420p10le",
    "gray",
    "gbrp",
    "nv12",
    "rgb24",
    "yuyv422",
)


def _frame(form: str, height: int = 49, width: int = 66, **colour: Any) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(pattern(1, height, width)[0], "rgb24")
    frame = frame.reformat(format=form, **colour)
    frame.pts = 7
    return frame


def _planes(frame: av.VideoFrame) -> list[Any]:
    return [_samples(frame, part).copy() for part in frame.format.components]


@pytest.mark.parametrize("form", FORMATS)
def test_only_samples_that_the_hole_touches_are_written(form: str) -> None:
    frame = planar(_frame(form), "clip")
    before, hole = _planes(frame), square_hole(49, 66)
    put_fill(
        frame, 255 - rgb_of(frame) if rgb_of(frame).dtype == np.uint8 else 0 * rgb_of(frame), hole
    )
    after = _planes(frame)
    for part, old, new in zip(frame.format.components, before, after, strict=True):
        rows, columns = (
            np.arange(size) // -(-size // count)
            for size, count in zip((49, 66), old.shape, strict=True)
        )
        touched = np.zeros(old.shape, np.bool_)
        for row, column in zip(*np.nonzero(hole), strict=True):
            touched[rows[row], columns[column]] = True
        assert np.array_equal(old[~touched], new[~touched])
        if part.is_alpha:
            assert np.array_equal(old, new)
        elif not part.is_chroma:
            assert (old[touched] != new[touched]).mean() > 0.8


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("space", "reach"), [(5, 1), (1, 1), (1, 2), (9, 1)])
def test_what_is_seen_comes_back_as_it_was(form: str, space: int, reach: int) -> None:
    frame = planar(_frame(form, 48, 64, dst_colorspace=space, dst_color_range=reach), "clip")
    before, seen = _planes(frame), rgb_of(frame)
    put_fill(frame, seen, np.ones((48, 64), np.bool_))
    step = 1 << (max(part.bits for part in frame.format.components) - 8)
    for part, old, new in zip(frame.format.components, before, _planes(frame), strict=True):
        error = np.abs(old.astype(int) - new.astype(int))
        assert error.mean() <= 1.5 * step, part  # rounded to RGB and back; colour resampled


def test_a_decoded_frame_of_packed_samples_stays_as_it_is() -> None:
    frame = _frame("rgb24")
    before = frame.to_ndarray().copy()
    apart = planar(frame, "clip")
    assert (apart.format.name, apart.pts) == ("gbrp", 7)
    put_fill(apart, 255 - rgb_of(apart), square_hole(49, 66))
    assert np.array_equal(frame.to_ndarray(), before)


def test_pixels_that_cannot_be_taken_apart_are_refused() -> None:
    with pytest.raises(VideoError, match="clip: has pixels of the format gbrpf32le"):
        planar(av.VideoFrame(16, 16, "gbrpf32le"), "clip")
