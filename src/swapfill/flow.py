"""Move one frame's picture to where it is in the next: dense optical flow (OpenCV's DIS).

A flow is [H, W, 2], float32, in pixels (right, down): where, in the other frame, a pixel comes
from. In the hole lies what is to be taken out, and its motion is not the background's: flow is
continued into it from outside. OpenCV is imported where it is used.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from swapfill.masks import Hole

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

LEAST_SIDE = 16  # pixels; DIS matches patches of 8 and needs some more
_THUMB = 48  # pixels a side of the small pictures that tell a cut
# Of white: mean difference of small pictures, equal in brightness, above which a frame is of
# another shot. Pans and shakes of hand-held clips stay below a third of it.
_CUT = 0.12
_POINTS = 2000  # of a flow, that a plane's motion is fitted to
_FEWEST = 40
_APART = 0.7  # pixels that a point may be off the plane's motion
_MOST = 0.6  # share of points that have to move with the plane
_TRIES = 300


def grey_of(pixels: NDArray[Any]) -> Grey:
    """Turn RGB [H, W, 3], uint8 or uint16, to brightness in 8 bits."""
    import cv2

    small = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2GRAY))


def flow_between(current: Grey, other: Grey, start: Floats | None = None) -> Floats:
    """Find where each pixel of `current` lies in `other`; both [H, W], at least `LEAST_SIDE`.

    `start` is a first idea of the flow: with one, far motions are found too.
    """
    import cv2

    maker: Any = cv2  # its stubs know no DIS
    engine = maker.DISOpticalFlow_create(maker.DISOPTICAL_FLOW_PRESET_MEDIUM)
    begun = None if start is None else np.ascontiguousarray(start)
    flow = engine.calc(*map(np.ascontiguousarray, (current, other)), begun)
    return np.asarray(flow, np.float32)


def carried_into(flow: Floats, current: Grey, seen: Hole) -> Floats:
    """Continue a flow to where it is not seen, as the camera moves the background.

    A plane in front of a moving camera moves by a homography; one is fitted to what is seen where
    there is something to hold on to. If most of that moves so, the rest does; else the flow is
    continued smoothly.

    Args:
        flow: [H, W, 2].
        current: the frame that it starts from, [H, W].
        seen: where the flow is the background's, [H, W].
    """
    import cv2

    if not seen.any():
        return completed(flow, seen)
    slope = np.hypot(cv2.Sobel(current, cv2.CV_32F, 1, 0), cv2.Sobel(current, cv2.CV_32F, 0, 1))
    rows, columns = np.nonzero(seen & (slope >= np.median(slope[seen])))
    step = max(len(rows) // _POINTS, 1)
    rows, columns = rows[::step], columns[::step]
    points = np.stack([columns, rows], axis=1).astype(np.float32)
    if len(points) < _FEWEST:
        return completed(flow, seen)
    there = points + flow[rows, columns]
    found, agreed = cv2.findHomography(points, there, cv2.RANSAC, _APART, maxIters=_TRIES)
    if found is None or agreed.mean() < _MOST:
        return completed(flow, seen)
    height, width = seen.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    plane = cv2.perspectiveTransform(grid.reshape(1, -1, 2), found).reshape(height, width, 2)
    return np.where(seen[..., None], flow, plane - grid).astype(np.float32)


def completed(values: Floats, known: Hole) -> Floats:
    """Continue values [H, W, C] smoothly to where they are not known: coarse to fine.

    Where nothing is known at all they are 0.
    """
    import cv2

    if known.all():
        return values
    height, width = known.shape
    weight = known.astype(np.float32)
    held = np.where(known[..., None], values, 0).astype(np.float32)
    if max(height, width) == 1:
        return held
    size = (max(width // 2, 1), max(height // 2, 1))
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(held, size, interpolation=cv2.INTER_AREA).reshape(*share.shape, -1)
    mean = mean / np.maximum(share, 1e-6)[..., None]
    coarse = completed(mean.astype(np.float32), share > 0)
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(known[..., None], values, fine.reshape(height, width, -1)).astype(np.float32)


def warped(picture: NDArray[Any], flow: Floats) -> tuple[Floats, Hole]:
    """Fetch each pixel from where the flow says.

    Args:
        picture: [H, W] or [H, W, C].
        flow: [H, W, 2].

    Returns:
        What lies there, bicubic, float32; and where that is inside the picture, [H, W].
    """
    import cv2

    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    right, down = columns + flow[..., 0], rows + flow[..., 1]
    inside = (right >= 0) & (right <= width - 1) & (down >= 0) & (down <= height - 1)
    source = picture.astype(np.float32)
    moved = cv2.remap(source, right, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32), inside


def is_cut(current: Grey, other: Grey, known: Hole) -> bool:
    """Tell whether two frames are of different shots, by what is known in both.

    They are compared as small pictures of equal mean: a change of exposure is no cut.
    """
    import cv2

    size = (_THUMB, _THUMB)
    weight = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    if weight.sum() == 0:
        return False
    small = []
    for grey in (current, other):
        thumb = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        small.append(thumb - (weight * thumb).sum() / weight.sum())
    difference = (weight * np.abs(small[0] - small[1])).sum() / weight.sum()
    return bool(difference > _CUT)
