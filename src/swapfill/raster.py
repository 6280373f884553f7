"""The samples of a picture as its file stores them, and the colours that they mean."""

import io
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Samples = NDArray[Any]  # uint8, uint16 or float32
Hole = NDArray[np.bool_]

GREY, RGB, CMYK = 1, 3, 4  # how many colour samples a pixel has

# Rows of the table "new colour x palette colour" held at once: 64 MB of float64 at most.
_COLOURS_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Raster:
    """Samples in stored orientation, and what they mean.

    Attributes:
        samples: [H, W, C], uint8, uint16 or float32 (white is 1.0). The colours come first, then
            alpha and whatever else the file has. Grey of 1, 2 or 4 bits is spread over 0 to 255.
        colours: `GREY`, `RGB` or `CMYK` (no ink is 0). With a palette, `GREY`: the index.
        alpha: the channel of `samples` that is alpha, or None.
        bits: of one sample in the file.
        palette: RGBA, [N, 4] uint8, when the samples are indices.
        key: the one colour that is transparent, in `samples` values, or None.
        premultiplied: the colours are stored multiplied by alpha.
    """

    samples: Samples
    colours: int
    alpha: int | None = None
    bits: int = 8
    palette: NDArray[np.uint8] | None = None
    key: tuple[int, ...] | None = None
    premultiplied: bool = False

    @property
    def top(self) -> int:
        """The value of white: 255, 65535 or 1."""
        return white(self.samples.dtype)


def white(dtype: np.dtype[Any]) -> int:
    """Give the largest value of a sample of this type; floating point ends at 1."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def luminance(rgb: Samples) -> Samples:
    """Turn [..., 3] to [...] of the same type by the weights of ITU-R 601, as Pillow does."""
    grey: Samples = rgb @ np.array([0.299, 0.587, 0.114])
    return (np.rint(grey) if rgb.dtype.kind == "u" else grey).astype(rgb.dtype)


def seen_rgb(raster: Raster, icc: bytes = b"") -> Samples:
    """Give the colours without alpha, [H, W, 3], of the type of the samples.

    Grey is repeated, a palette looked up, CMYK goes through the profile `icc` where it fits. A
    colour that is stored multiplied by alpha is given as stored.
    """
    colours = raster.samples[..., : raster.colours]
    if raster.palette is not None:
        return raster.palette[_indices(raster), :3]
    if raster.colours == CMYK:
        return _cmyk_to_rgb(colours, icc)
    if raster.colours == GREY:  # a view: of a large mask three copies would count
        return np.broadcast_to(colours, (*colours.shape[:2], 3))
    return colours


def seen_alpha(raster: Raster) -> Samples | None:
    """Give the opacity, [H, W] of the type of the samples; None when nothing can be transparent."""
    alpha: Samples | None = None
    if raster.alpha is not None:
        alpha = raster.samples[..., raster.alpha]
    elif raster.palette is not None and (raster.palette[:, 3] < 255).any():
        alpha = raster.palette[_indices(raster), 3]
    elif raster.key is not None:
        solid = (raster.samples[..., : raster.colours] != np.array(raster.key)).any(axis=2)
        alpha = (solid * raster.top).astype(raster.samples.dtype)
    return alpha


def filled(raster: Raster, fill: Samples, hole: Hole, *, opaque: bool, icc: bytes = b"") -> Raster:
    """Replace the samples in the hole; every other one stays as it is, bit for bit.

    Args:
        raster: the picture.
        fill: RGB, [H, W, 3], of the type of `seen_rgb`; read in the hole only.
        hole: true where to fill, [H, W].
        opaque: whether the hole becomes fully opaque; else alpha stays as it was.
        icc: the profile of a CMYK picture.
    """
    samples = raster.samples.copy()
    old, new = samples[hole], fill[hole]
    if raster.palette is not None:
        alpha = raster.palette[_indices(raster)[hole], 3]
        wanted = np.full_like(alpha, 255) if opaque else alpha
        samples[hole, 0] = _nearest_in_palette(raster.palette, new, wanted)
        return replace(raster, samples=samples)

    alpha = old[:, raster.alpha] if raster.alpha is not None else np.full(len(old), raster.top)
    if opaque and raster.alpha is not None:
        samples[hole, raster.alpha] = raster.top
    colours = _native_colours(raster, new, icc)
    if raster.premultiplied and not opaque:
        colours = np.minimum(colours, alpha[:, None])  # more than alpha would shine
    if raster.key is not None:
        colours = _beside_key(raster, colours, old[:, : raster.colours], opaque=opaque)
    samples[hole, : raster.colours] = colours
    return replace(raster, samples=samples)


def _indices(raster: Raster) -> NDArray[np.intp]:
    """Give the palette index of every pixel; a damaged file's index beyond the end is the last."""
    assert raster.palette is not None
    return np.minimum(raster.samples[..., 0], len(raster.palette) - 1).astype(np.intp)


def _native_colours(raster: Raster, rgb: Samples, icc: bytes) -> Samples:
    """Turn RGB [n, 3] to the colours of the picture [n, 1, 3 or 4]."""
    if raster.colours == CMYK:
        return _rgb_to_cmyk(rgb, icc)
    if raster.colours == RGB:
        return rgb
    grey: Samples = luminance(rgb)[:, None]
    if raster.bits < 8:
        step = 255 // (2**raster.bits - 1)  # between two greys of a picture of 1, 2 or 4 bits
        grey = (np.rint(grey / step) * step).astype(np.uint8)
    return grey


def _beside_key(raster: Raster, colours: Samples, old: Samples, *, opaque: bool) -> Samples:
    """Keep a fill from taking the transparent colour by chance, or from covering it unasked."""
    assert raster.key is not None
    key = np.array(raster.key, dtype=colours.dtype)
    step = 255 // (2**raster.bits - 1) if raster.bits < 8 else 1
    beside = key.copy()
    beside[-1] = key[-1] - step if key[-1] else step
    colours = np.where((colours == key).all(axis=1, keepdims=True), beside, colours)
    was_transparent = (old == key).all(axis=1, keepdims=True)
    return colours if opaque else np.where(was_transparent, old, colours)


def _nearest_in_palette(
    palette: NDArray[np.uint8], rgb: Samples, alpha: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Give the index of the nearest colour of the opacity `alpha` (or the nearest opacity)."""
    wanted, where = np.unique(np.column_stack([rgb, alpha]), axis=0, return_inverse=True)
    # A step of alpha weighs more than the longest way between two colours. The squares are above
    # 2**24, which float32 would round.
    weights = np.array([1, 1, 1, 512], np.float64)
    table = palette * weights
    nearest = np.empty(len(wanted), np.uint8)
    for start in range(0, len(wanted), _COLOURS_AT_ONCE):
        some = wanted[start : start + _COLOURS_AT_ONCE] * weights
        distance = (table**2).sum(1) - 2 * some @ table.T
        nearest[start : start + len(some)] = distance.argmin(axis=1)
    return nearest[where.reshape(-1)]


def _cmyk_to_rgb(cmyk: Samples, icc: bytes) -> Samples:
    """Turn [..., 4] to [..., 3], through the profile, or plainly: (1 - C) (1 - K)."""
    if (through := _through_profile(cmyk, icc, "CMYK", "RGB")) is not None:
        return through
    top = white(cmyk.dtype)
    light = top - cmyk.astype(np.float32)
    rgb = light[..., :3] * light[..., 3:] / top
    return np.asarray(np.rint(rgb) if top > 1 else rgb).astype(cmyk.dtype)


def _rgb_to_cmyk(rgb: Samples, icc: bytes) -> Samples:
    """Turn [n, 3] to [n, 4], through the profile, or plainly: no black."""
    if (through := _through_profile(rgb[None], icc, "RGB", "CMYK")) is not None:
        return cast(Samples, through[0])
    ink = white(rgb.dtype) - rgb
    return np.concatenate([ink, np.zeros_like(ink[:, :1])], axis=1)


def _through_profile(colours: Samples, icc: bytes, source: str, target: str) -> Samples | None:
    """Convert [h, w, C] between the CMYK of `icc` and sRGB; None when there is no such profile.

    Pillow's colour management has 8 bits; deeper samples are rounded for it.
    """
    if not icc or colours.size == 0:
        return None
    top = white(colours.dtype)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        ends = {"CMYK": profile, "RGB": srgb}
        transform = ImageCms.buildTransform(
            ends[source], ends[target], source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    except (ImageCms.PyCMSError, OSError):
        return None  # damaged, or of another colour space
    eight = np.rint(colours * (255 / top)).astype(np.uint8) if top != 255 else colours
    image = Image.frombytes(source, eight.shape[1::-1], np.ascontiguousarray(eight).tobytes())
    converted = np.asarray(ImageCms.applyTransform(image, transform))
    if top == 255:
        return converted
    return (converted * (top / 255)).astype(colours.dtype)
