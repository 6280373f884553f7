"""JPEG files of every layout, by Pillow and OpenCV."""

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 75, 107  # no multiple of 8 or 16; some blocks lie wholly beyond the edge


def picture(channels: int, seed: int = 0) -> NDArray[np.uint8]:
    """Waves and some noise, within 20 to 235: smooth enough that chroma survives."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(seed).normal(0, 3, (HEIGHT, WIDTH, channels))
    phase = np.arange(channels) * 2 + seed
    waves = np.sin(rows[..., None] / 9 + phase) * np.cos(columns[..., None] / 13 - phase)
    return np.asarray((128 + 95 * waves + noise).clip(20, 235), np.uint8)


def by_pillow(mode: str, **options: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        content = picture({"L": 1, "RGB": 3, "CMYK": 4}[mode])
        file = io.BytesIO()
        image = Image.frombytes(mode, (WIDTH, HEIGHT), content.tobytes())
        image.save(file, "JPEG", **({"quality": 92} | options))
        return file.getvalue()

    return make


def by_opencv(sampling: int) -> Callable[[], bytes]:
    options = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, cv2.IMWRITE_JPEG_QUALITY, 90)
    return lambda: cv2.imencode(".jpg", picture(3), options)[1].tobytes()


def ycck() -> bytes:
    plain = by_pillow("CMYK", quality=95)()
    mark = plain.index(b"Adobe")
    return plain[: mark + 11] + b"\x02" + plain[mark + 12 :]  # the samples are YCCK, it says


def grey_with_factors() -> bytes:
    """Sampling factors 2 x 2 of the only component, as some cameras write; they mean nothing."""
    plain = bytearray(by_pillow("L")())
    frame = plain.index(b"\xff\xc0")
    assert plain[frame + 11] == 0x11
    plain[frame + 11] = 0x22
    return bytes(plain)


SEQUENTIAL: dict[str, Callable[[], bytes]] = {
    "grey": by_pillow("L"),
    "grey, 2 x 2": grey_with_factors,
    "4:4:4": by_pillow("RGB", subsampling=0),
    "4:2:2": by_pillow("RGB", subsampling=1),
    "4:2:0": by_pillow("RGB", subsampling=2),
    "4:2:0, quality 30": by_pillow("RGB", subsampling=2, quality=30),
    "4:1:1": by_opencv(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
    "4:4:0": by_opencv(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440),
    "RGB as such": by_pillow("RGB", keep_rgb=True),
    "CMYK": by_pillow("CMYK"),
    "YCCK": ycck,
    "optimised": by_pillow("RGB", optimize=True),
    "restart": by_pillow("RGB", restart_marker_blocks=3),
    "restart each row": by_pillow("L", restart_marker_rows=1),
}
