"""A clip's frames: their own planes outside the hole, RGB inside.

A frame mostly holds brightness and colour apart, colour at half the resolution. To RGB and back is
not the same bits; so only samples that the hole touches are written. PyAV is imported where it is
used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from swapfill.errors import VideoError
from swapfill.masks import Hole

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.format import VideoFormatComponent

Pixels = NDArray[Any]

# The same samples, each component in a plane of its own.
_PLANAR = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "p010le": "yuv420p10le",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "rgb24": "gbrp",
    "bgr24": "gbrp",
    "rgb0": "gbrp",
    "bgr0": "gbrp",
    "0rgb": "gbrp",
    "0bgr": "gbrp",
    "rgba": "gbrap",
    "bgra": "gbrap",
    "argb": "gbrap",
    "abgr": "gbrap",
    "rgb48le": "gbrp16le",
    "bgr48le": "gbrp16le",
    "rgba64le": "gbrap16le",
    "ya8": "gbrap",
    "pal8": "gbrap",
}


def planar(frame: VideoFrame, name: str) -> VideoFrame:
    """Give a frame whose samples may be written, each component in its own plane.

    Args:
        frame: as decoded; it stays as it is.
        name: of the clip, for messages.

    Raises:
        VideoError: the pixel format cannot be taken apart.
    """
    form = frame.format.name
    if form in _PLANAR:
        apart = frame.reformat(format=_PLANAR[form])
        apart.pts = frame.pts
        return apart
    parts = frame.format.components
    alone = len({part.plane for part in parts}) == len(parts)
    odd = frame.format.is_big_endian or frame.format.is_bayer or frame.format.is_bit_stream
    if not alone or odd or any(part.bits > 16 for part in parts):
        raise VideoError(f"{name}: has pixels of the format {form}, want one such as yuv420p")
    frame.make_writable()  # the decoder may still look at it
    return frame


def rgb_of(frame: VideoFrame) -> Pixels:
    """Give what is to be seen, [H, W, 3], as stored, not turned: uint8, or uint16 above 8 bits."""
    pixels: Pixels = frame.reformat(format=_rgb_format(frame)).to_ndarray()
    return pixels


def put_fill(frame: VideoFrame, fill: Pixels, hole: Hole) -> None:
    """Write a fill into a frame, in place.

    A sample is written if a pixel of the hole uses it: of brightness, the hole's very pixels; of
    colour at half the resolution, also for the known pixels that share it. All others stay.

    Args:
        frame: as `planar` gives it.
        fill: [H, W, 3], as `rgb_of` gives it.
        hole: [H, W].
    """
    from av import VideoFrame

    painted = VideoFrame.from_ndarray(np.ascontiguousarray(fill), format=_rgb_format(frame))
    painted = painted.reformat(
        format=frame.format.name,
        dst_colorspace=frame.colorspace,
        dst_color_range=frame.color_range,
    )
    for part in frame.format.components:
        if not part.is_alpha:
            where = _touched(hole, (part.height, part.width))
            np.copyto(_samples(frame, part), _samples(painted, part), where=where)


def _rgb_format(frame: VideoFrame) -> str:
    return "rgb24" if max(part.bits for part in frame.format.components) <= 8 else "rgb48le"


def _samples(frame: VideoFrame, part: VideoFormatComponent) -> Pixels:
    """Look at a component's samples, [h, w], in the frame's own memory."""
    plane = frame.planes[part.plane]
    dtype = np.dtype(np.uint8 if part.bits <= 8 else "<u2")
    flat: Pixels = np.frombuffer(memoryview(plane), dtype)
    width = plane.line_size // dtype.itemsize  # with what lies unused at the end of a row
    return flat[: plane.height * width].reshape(plane.height, width)[: part.height, : part.width]


def _touched(hole: Hole, size: tuple[int, int]) -> Hole:
    """Tell which samples of a component of `size` a hole pixel uses."""
    if hole.shape == size:
        return hole
    down, across = (-(-full // part) for full, part in zip(hole.shape, size, strict=True))
    padding = [(0, size[0] * down - hole.shape[0]), (0, size[1] * across - hole.shape[1])]
    blocks = np.pad(hole, padding).reshape(size[0], down, size[1], across)
    return np.asarray(blocks.any(axis=(1, 3)))
