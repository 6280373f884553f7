"""Picture files of every kind, made by other libraries than the one that is tested."""

import io
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 23, 17  # odd, and no multiple of 8: rows of 1 bit end within a byte

Make = Callable[[], bytes]


def samples(channels: int = 0, kind: str = "u1") -> NDArray[Any]:
    """Noise, [H, W] or [H, W, C]."""
    shape = (HEIGHT, WIDTH, channels) if channels else (HEIGHT, WIDTH)
    random = np.random.default_rng(7)
    if kind == "f4":
        return random.random(shape).astype(np.float32)
    return random.integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)


def pillow_image(mode: str) -> Image.Image:
    """Noise in any mode of Pillow; a palette has 13 colours."""
    if mode == "I;16":
        return Image.fromarray(samples(kind="u2"))
    if mode == "F":
        return Image.fromarray(samples(kind="f4"))
    if mode == "1":
        return Image.fromarray(samples() // 128 * 255).convert("1")
    content = samples({"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode, 0))
    image = Image.frombytes(
        mode, (WIDTH, HEIGHT), (content % 13 if mode == "P" else content).tobytes()
    )
    if mode == "P":
        image.putpalette(samples(3).reshape(-1)[:39].tobytes())
    return image


def by_pillow(mode: str, kind: str, **options: Any) -> Make:
    """A file by Pillow."""

    def make() -> bytes:
        file = io.BytesIO()
        pillow_image(mode).save(file, kind, **options)
        return file.getvalue()

    return make


def by_opencv(suffix: str, channels: int, *options: int) -> Make:
    """A file of 16 bits by OpenCV."""
    return lambda: cv2.imencode(suffix, samples(channels, "u2"), options)[1].tobytes()


def by_tifffile(channels: int, kind: str, **options: Any) -> Make:
    """A TIFF by tifffile."""

    def make() -> bytes:
        content = samples(channels, kind)
        if options.get("planarconfig") == "separate":
            content = np.ascontiguousarray(np.moveaxis(content, -1, 0))
        file = io.BytesIO()
        tifffile.imwrite(file, content, **options)
        return file.getvalue()

    return make


_LZW = (cv2.IMWRITE_TIFF_COMPRESSION, 5)
_PACKBITS = (cv2.IMWRITE_TIFF_COMPRESSION, 32773)

LOSSLESS: dict[str, Make] = {
    **{
        f"PNG {mode}": by_pillow(mode, "PNG")
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    },
    "PNG P, transparency": by_pillow(
        "P", "PNG", transparency=bytes([255] * 5 + [0, 0] + [128] * 6)
    ),
    "PNG P, one transparent": by_pillow("P", "PNG", transparency=3),
    "PNG RGB, transparent colour": by_pillow("RGB", "PNG", transparency=(1, 2, 3)),
    "PNG L, 2 bits": by_pillow("L", "PNG", bits=2),
    "PNG L, 4 bits": by_pillow("L", "PNG", bits=4, transparency=5),
    "PNG RGB, 16 bits": by_opencv(".png", 3),
    "PNG RGBA, 16 bits": by_opencv(".png", 4),
    "WebP RGB, lossless": by_pillow("RGB", "WEBP", lossless=True),
    "WebP RGBA, lossless": by_pillow("RGBA", "WEBP", lossless=True, exact=True),
    **{f"BMP {mode}": by_pillow(mode, "BMP") for mode in ("1", "L", "P", "RGB")},
    "GIF P": by_pillow("P", "GIF"),
    "GIF P, one transparent": by_pillow("P", "GIF", transparency=2),
    **{
        f"TIFF {mode}, {compression}": by_pillow(mode, "TIFF", compression=compression)
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
    },
    "TIFF 1, fax": by_pillow("1", "TIFF", compression="group4"),
    "TIFF grey, 16 bits, LZW": by_opencv(".tiff", 1, *_LZW),
    "TIFF RGB, 16 bits, LZW": by_opencv(".tiff", 3, *_LZW),
    "TIFF RGBA, 16 bits, LZW": by_opencv(".tiff", 4, *_LZW),
    "TIFF RGB, 16 bits, packbits": by_opencv(".tiff", 3, *_PACKBITS),
    "TIFF RGB, 16 bits": by_tifffile(3, "u2", photometric="rgb"),
    "TIFF RGB, 16 bits, big-endian": by_tifffile(
        3, "u2", photometric="rgb", byteorder=">", compression="zlib", predictor=True
    ),
    "TIFF RGB, 16 bits, BigTIFF": by_tifffile(3, "u2", photometric="rgb", bigtiff=True),
    "TIFF RGB, 16 bits, planes": by_tifffile(3, "u2", photometric="rgb", planarconfig="separate"),
    "TIFF RGB, 16 bits, tiles": by_tifffile(
        3, "u2", photometric="rgb", tile=(16, 16), compression="zlib"
    ),
    "TIFF RGBA, 16 bits, premultiplied": by_tifffile(
        4, "u2", photometric="rgb", extrasamples=["assocalpha"]
    ),
    "TIFF RGB and two more": by_tifffile(5, "u1", photometric="rgb", extrasamples=[0, 0]),
    "TIFF RGB, floating point": by_tifffile(3, "f4", photometric="rgb"),
    "TIFF RGB, floating point, deflated": by_tifffile(
        3, "f4", photometric="rgb", compression="zlib"
    ),
    "TIFF CMYK, 16 bits": by_tifffile(4, "u2", photometric="separated"),
    "TIFF grey, white is zero": by_tifffile(0, "u1", photometric="miniswhite"),
}

LOSSY: dict[str, Make] = {
    **{f"JPEG {mode}": by_pillow(mode, "JPEG", quality=83) for mode in ("L", "RGB", "CMYK")},
    "JPEG RGB, progressive, 4:4:4": by_pillow(
        "RGB", "JPEG", quality=100, subsampling=0, progressive=True
    ),
    "JPEG RGB, 4:2:2": by_pillow("RGB", "JPEG", quality=40, subsampling=1),
    "JPEG RGB, not as luma": by_pillow("RGB", "JPEG", quality=70, keep_rgb=True),
    "WebP RGBA": by_pillow("RGBA", "WEBP", quality=70),
    **{f"TIFF {mode}, JPEG": by_pillow(mode, "TIFF", compression="jpeg") for mode in ("L", "RGB")},
}


def cmyk_profile() -> bytes:
    """A tiny ICC profile of a press whose every colour is a mixture of its corners."""

    def table(inputs: int, outputs: int, nodes: list[list[int]]) -> bytes:
        head = struct.pack(">4s4xBBBx", b"mft1", inputs, outputs, 2)
        matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
        ramp = bytes(range(256))
        grid = b"".join(bytes(node) for node in nodes)
        return head + matrix + ramp * inputs + grid + ramp * outputs

    corners = [[i >> shift & 1 for shift in (3, 2, 1, 0)] for i in range(16)]
    # [L, a, b] of ink on paper, then [C, M, Y, K] of Lab: a grey press is all that is needed.
    to_lab = [[255 * (4 - sum(inks)) // 4, 128, 128] for inks in corners]
    to_inks = [[255 - 255 * (i >> 2 & 1)] * 4 for i in range(8)]
    text = struct.pack(">4s4xI", b"desc", 5) + b"test\0" + bytes(78)
    tags = {
        b"desc": text,
        b"cprt": b"text" + bytes(4) + b"CC0\0",
        b"wtpt": struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061),
        b"A2B0": table(4, 3, to_lab),
        b"B2A0": table(3, 4, to_inks),
    }
    start = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        directory += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4x4B4s4s4s", start + len(body), 2, 16, 0, 0, b"prtr", b"CMYK", b"Lab ")
    date = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    head = head + date + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + directory + body
