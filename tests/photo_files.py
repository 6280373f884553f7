"""Photographs that tests draw, as folders and tar files."""

import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def noise(seed: int, height: int = 12, width: int = 15) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(pixels: Pixels, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def png(seed: int, height: int = 12, width: int = 15) -> bytes:
    return encoded(noise(seed, height, width))


def as_folder(members: dict[str, bytes], where: Path) -> Path:
    where.mkdir(parents=True, exist_ok=True)
    for name, content in members.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(content)
    return where


def tar_of(members: dict[str, bytes], mode: str = "w") -> bytes:
    """A tar file that holds a folder called like a picture too."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            held = tarfile.TarInfo(name)
            held.size = len(content)
            archive.addfile(held, io.BytesIO(content))
        folder = tarfile.TarInfo("folder.png")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return out.getvalue()


def as_tar(members: dict[str, bytes], where: Path) -> Path:
    where.write_bytes(tar_of(members))
    return where
