"""Holes to train and to measure with, each a deterministic function of its random generator.

All are bool, [height, width], true where the picture is missing, and leave some pixels known.
Sizes are (height, width); a share is missing pixels over all pixels.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from swapfill.masks import Hole

# The holes of the paper: 112 of 256, 224 of 512.
CENTRE_SHARE = 7 / 16

_MOST_STROKES = 400  # enough for any share that can be reached
_OUTLINE_POINTS = 48


def centre_hole(side: int, share: float = CENTRE_SHARE) -> Hole:
    """Cut a square out of the middle of a square.

    Args:
        side: of the picture, in pixels.
        share: side of the hole over `side`, below 1; by default the paper's 7/16.
    """
    inner = round(side * share)
    first = (side - inner) // 2
    hole = np.zeros((side, side), np.bool_)
    hole[first : first + inner, first : first + inner] = True
    return hole


def box_hole(
    rng: np.random.Generator, size: tuple[int, int], share: tuple[float, float] = (0.04, 0.3)
) -> Hole:
    """Cut out one upright rectangle of random place, area and proportions (up to 1 : 3)."""
    area = rng.uniform(*share) * size[0] * size[1]
    ratio = np.exp(rng.uniform(-np.log(3), np.log(3)))
    height = int(np.clip(np.sqrt(area * ratio), 1, max(size[0] - 1, 1)))
    width = int(np.clip(area / height, 1, max(size[1] - 1, 1)))
    top = int(rng.integers(size[0] - height + 1))
    left = int(rng.integers(size[1] - width + 1))
    hole = np.zeros(size, np.bool_)
    hole[top : top + height, left : left + width] = True
    return hole


def free_form_hole(
    rng: np.random.Generator, size: tuple[int, int], share: tuple[float, float] = (0.05, 0.4)
) -> Hole:
    """Scribble: thick strokes with round bends (as DeepFill v2 and LaMa train with).

    Args:
        rng: is drawn from, and so left in another state.
        size: (height, width) of the picture, in pixels.
        share: least and most share of missing pixels. A share between the two is drawn, and
            strokes are added until it is reached; a stroke that would pass the most is thinned.
    """
    goal, thickness = rng.uniform(*share), 1.0
    hole = np.zeros(size, np.bool_)
    for _ in range(_MOST_STROKES):
        wider = _with_stroke(rng, hole, thickness)
        if wider.mean() > share[1]:
            thickness *= 0.7
        else:
            hole = wider
        if hole.mean() >= goal:
            break
    return hole


def blob_hole(
    rng: np.random.Generator, size: tuple[int, int], share: tuple[float, float] = (0.04, 0.35)
) -> Hole:
    """Cut out something of the form of an object: overlapping, rotated ovals with a wavy outline.

    Args:
        rng: is drawn from, and so left in another state.
        size: (height, width) of the picture, in pixels.
        share: least and most share of missing pixels.
    """
    goal = rng.uniform(*share)
    centre = rng.uniform(0.2, 0.8, 2) * size
    ovals = [_oval(rng) for _ in range(int(rng.integers(1, 5)))]
    radius = np.sqrt(goal * size[0] * size[1] / np.pi)
    hole = np.zeros(size, np.bool_)
    low, high = 0.0, 4 * float(max(size))
    for _ in range(24):  # halve the interval of radii until the share fits
        hole = _filled_outlines(size, centre, ovals, radius)
        if hole.mean() < share[0]:
            low = radius
        elif hole.mean() > share[1]:
            high = radius
        else:
            return hole
        radius = (low + high) / 2
    return hole


def mixed_hole(rng: np.random.Generator, size: tuple[int, int]) -> Hole:
    """Draw one of the kinds above: scribbles and blobs twice as often as rectangles."""
    kinds = (box_hole, free_form_hole, free_form_hole, blob_hole, blob_hole)
    return kinds[int(rng.integers(len(kinds)))](rng, size)


def close_hole(
    rng: np.random.Generator, size: tuple[int, int], share: tuple[float, float] = (0.1, 0.5)
) -> Hole:
    """Scribble over something of twice the size, and show a quarter of it: strokes seen from near.

    Args:
        rng: is drawn from, and so left in another state.
        size: (height, width) of what is shown, in pixels.
        share: least and most share of missing pixels of the whole; of what is shown it is any.
    """
    height, width = size
    while True:
        whole = free_form_hole(rng, (2 * height, 2 * width), share)
        top, left = rng.integers(height + 1), rng.integers(width + 1)
        shown = whole[top : top + height, left : left + width]
        if shown.any() and not shown.all():
            return shown


def _with_stroke(rng: np.random.Generator, hole: Hole, thickness: float) -> Hole:
    """Add one stroke of a few bends; `thickness` 1 is up to an eighth of the shorter side."""
    canvas = Image.fromarray(hole.astype(np.uint8))
    pencil = ImageDraw.Draw(canvas)
    shorter = min(hole.shape)
    width = max(round(shorter * rng.uniform(1 / 32, 1 / 8) * thickness), 1)
    point = rng.uniform(0, 1, 2) * hole.shape[::-1]
    angle = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(2, 9))):
        angle += rng.normal(0, 0.9)
        step = shorter * rng.uniform(0.05, 0.25) * np.array([np.cos(angle), np.sin(angle)])
        end = np.clip(point + step, 0, np.array(hole.shape[::-1]) - 1)
        if (end != point + step).any():  # turn back, or strokes would gather along the border
            angle += np.pi
        pencil.line([*point, *end], fill=1, width=width)
        pencil.ellipse([*(end - width / 2), *(end + width / 2)], fill=1)
        point = end
    return np.asarray(canvas) > 0


def _oval(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the outline of one wavy oval near the origin, about 1 in radius: [points, (y, x)]."""
    around = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)
    wave = sum(
        rng.normal(0, 0.12 / n) * np.cos(n * around + rng.uniform(0, 2 * np.pi))
        for n in range(2, 6)
    )
    stretch = np.exp(rng.uniform(-0.5, 0.5))
    upright = (1 + wave) * np.stack([np.sin(around) * stretch, np.cos(around) / stretch])
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray((rotation @ upright).T + rng.normal(0, 0.5, 2))


def _filled_outlines(
    size: tuple[int, int],
    centre: NDArray[np.float64],
    outlines: list[NDArray[np.float64]],
    radius: float,
) -> Hole:
    """Paint outlines, `radius` times as large, around the centre (y, x)."""
    canvas = Image.new("L", (size[1], size[0]))
    pencil = ImageDraw.Draw(canvas)
    for outline in outlines:
        points = (centre + radius * outline)[:, ::-1]
        pencil.polygon([(float(x), float(y)) for x, y in points], fill=1)
    return np.asarray(canvas) > 0
