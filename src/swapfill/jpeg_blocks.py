"""Filling a JPEG without encoding again what is outside: only the blocks that changed are new."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from swapfill.jpeg_huffman import Ints
from swapfill.jpeg_stream import BlockStream, Component
from swapfill.raster import Hole, Samples

Floats = NDArray[np.float32]
Convert = Callable[[Floats], Floats]

_LUMA_AND_CHROMA = np.array(  # ITU-R 601 in full range, as JFIF has it
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ],
    np.float32,
)
_LARGEST = 1023  # a coefficient that the codes of an 8-bit JPEG reach to
_ROWS_AT_ONCE = 256  # that are compared
_BLOCKS_AT_ONCE = 4096  # in floating point they take some 20 MB


def _zigzag() -> Ints:
    """Give the place, row by row, of each coefficient as they are stored: along the diagonals."""
    places = [(row + column, row, column) for row in range(8) for column in range(8)]
    places.sort(key=lambda p: (p[0], p[1] if p[0] % 2 else p[2]))
    return np.array([8 * row + column for _, row, column in places])


def _cosines() -> Floats:
    """Give the transform of 8 samples to 8 frequencies, [frequency, sample]."""
    frequency, sample = np.mgrid[:8, :8]
    waves = np.cos((2 * sample + 1) * frequency * np.pi / 16) / 2
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, np.float32)


_ZIGZAG, _COSINES = _zigzag(), _cosines()


def as_stored(colours: Floats) -> Floats:
    """Grey, or RGB that a file has as such."""
    return colours


def inverted(colours: Floats) -> Floats:
    """CMYK, which files have inverted, as Adobe does."""
    return 255 - colours


def luma_and_chroma(colours: Floats) -> Floats:
    """Turn RGB [..., 3] to Y, Cb, Cr; and CMYK [..., 4] to Y, Cb, Cr of CMY, and black inverted."""
    converted = colours[..., :3] @ _LUMA_AND_CHROMA.T + np.array([0, 128, 128], np.float32)
    return np.concatenate([converted, 255 - colours[..., 3:]], axis=-1)


def differing(old: Samples, new: Samples) -> Hole:
    """Tell which pixels of two pictures [H, W, C] differ: [H, W]."""
    changed = np.zeros(old.shape[:2], np.bool_)
    for top in range(0, len(changed), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        for channel in range(old.shape[2]):  # five times as fast as any(axis=2)
            changed[rows] |= old[rows, :, channel] != new[rows, :, channel]
    return changed


def with_changes(source: bytes, changed: Hole, new: Samples, convert: Convert) -> bytes | None:
    """Write a JPEG whose picture is `new` where that has changed.

    Blocks of 8 x 8 samples without a change keep their bits. In the others, a sample that no
    changed pixel is part of has its old value, before it was rounded and clipped; so all that
    differs of it is what the one rounding of the new coefficients does.

    Args:
        source: the file.
        changed: the pixels of which something is not what the file decodes to, [H, W].
        new: what it is to be, [H, W, C], uint8.
        convert: from the colours of `new` [..., C] to those of the components, 0 to 255. Means of
            pixels are converted, so it is to be affine.

    Returns:
        A file with all segments of the source, or None if the source has no blocks that can be
        exchanged: it is progressive, has arithmetic coding or several scans, is damaged, or is
            of another size.
    """
    stream = BlockStream.read(source)
    if stream is None or (*stream.size, len(stream.components)) != new.shape:
        return None
    unit = [max(getattr(part, way) for part in stream.components) for way in ("down", "across")]
    parts = list(_new_blocks(stream, unit, changed, new, convert))
    numbers, dc, rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    del parts
    order = np.argsort(numbers)
    return stream.with_blocks(numbers[order], dc[order], rest[order])


def _new_blocks(
    stream: BlockStream, unit: list[int], changed: Hole, new: Samples, convert: Convert
) -> Iterator[tuple[Ints, Ints, NDArray[np.int16]]]:
    """Give numbers, first and further coefficients of all blocks with a change, some at once."""
    before = 0
    for index, part in enumerate(stream.components):
        scale = unit[0] // part.down, unit[1] // part.across
        blocks = _changed_blocks(stream, part, scale, changed)
        for some in np.split(blocks, range(_BLOCKS_AT_ONCE, len(blocks), _BLOCKS_AT_ONCE)):
            numbers = _numbers(stream, part, before, some)
            parts = _patches(changed, some, scale).any(axis=(2, 4))
            colours = _patches(new, some, scale).mean(axis=(2, 4), dtype=np.float32)
            samples = convert(colours)[..., index]
            frequencies = stream.rest(numbers)
            frequencies[:, 0] = stream.dc[numbers]
            samples = np.where(parts, samples, _samples(frequencies, part.quantisation))
            anew = _frequencies(samples, part.quantisation)
            yield numbers, anew[:, 0].astype(np.int64), anew
        before += part.down * part.across


def _changed_blocks(
    stream: BlockStream, part: Component, scale: tuple[int, int], changed: Hole
) -> Ints:
    """Find the blocks of a component that have a changed pixel: row and column, [N, 2]."""
    rows, columns = stream.units[0] * part.down, stream.units[1] * part.across
    found = changed  # not by the places of all pixels: of a large hole they take 16 bytes each
    for axis, length in enumerate(changed.shape):
        found = np.logical_or.reduceat(found, range(0, length, 8 * scale[axis]), axis=axis)
    touched = np.zeros((rows, columns), np.bool_)
    touched[: found.shape[0], : found.shape[1]] = found
    # Blocks wholly beyond the edge of the picture: what they hold is the old picture, drawn out.
    last_row, last_column = ((n - 1) // (8 * s) for n, s in zip(changed.shape, scale, strict=True))
    touched[last_row + 1 :] = touched[last_row]
    touched[:, last_column + 1 :] = touched[:, last_column, None]
    return np.argwhere(touched)


def _numbers(stream: BlockStream, part: Component, before: int, blocks: Ints) -> Ints:
    """Give the places in the stream of blocks of a component, `before` being those of others."""
    (unit_row, row), (unit_column, column) = (
        np.divmod(blocks[:, axis], per_unit)
        for axis, per_unit in ((0, part.down), (1, part.across))
    )
    unit = unit_row * stream.units[1] + unit_column
    return np.asarray(unit * len(stream.pattern) + before + row * part.across + column)


def _patches(picture: Samples, blocks: Ints, scale: tuple[int, int]) -> Samples:
    """Cut out the pixels of blocks: [N, 8, down, 8, across, ...]; the edge goes on outside."""
    rows, columns = (
        np.minimum(blocks[:, axis, None] * 8 * scale[axis] + np.arange(8 * scale[axis]), last - 1)
        for axis, last in enumerate(picture.shape[:2])
    )
    cut: Samples = picture[rows[:, :, None], columns[:, None, :]]
    return cut.reshape(len(blocks), 8, scale[0], 8, scale[1], *picture.shape[2:])


def _samples(frequencies: NDArray[np.int32], quantisation: Ints) -> Floats:
    """Turn coefficients in zigzag order [N, 64] to samples [N, 8, 8], neither rounded nor cut."""
    plain = np.empty(frequencies.shape, np.float32)
    plain[:, _ZIGZAG] = frequencies * quantisation
    return np.asarray(_COSINES.T @ plain.reshape(-1, 8, 8) @ _COSINES + 128)


def _frequencies(samples: Floats, quantisation: Ints) -> NDArray[np.int16]:
    """Turn samples [N, 8, 8] to coefficients in zigzag order, [N, 64]."""
    plain = (_COSINES @ (samples - 128) @ _COSINES.T).reshape(-1, 64)[:, _ZIGZAG]
    return np.clip(np.rint(plain / quantisation), -_LARGEST, _LARGEST).astype(np.int16)
