"""A bundle: one folder of weights and their config, checked.

config.json             what the networks are and how they are used (`BundleConfig`)
encoder.safetensors     image2feature.safetensors     feature2image[-SIDE].safetensors
README.md               the model card
SHA256SUMS              of all of the above
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from swapfill.config import (
    EncoderConfig,
    Feature2ImageConfig,
    FillSettings,
    Image2FeatureConfig,
    Settings,
)
from swapfill.errors import BundleError

SUMS = "SHA256SUMS"
SHARED = "all"  # the key of a Feature2Image that serves every scale


class BundleConfig(Settings):
    """What is in a bundle: the networks, and how they are best used together."""

    format: Literal[1] = 1
    name: str
    description: str = ""
    encoder: EncoderConfig = EncoderConfig()
    image2feature: Image2FeatureConfig = Image2FeatureConfig()
    feature2image: dict[str, Feature2ImageConfig]  # by side in pixels, or "all"
    fill: FillSettings = FillSettings()

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if not self.feature2image:
            raise ValueError("feature2image is empty, want one entry a scale, or 'all'")
        for key in self.feature2image:
            if key != SHARED and not key.isdecimal():
                raise ValueError(f"feature2image.{key}: want a side in pixels, or 'all'")
        return self


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose config has been read; its weights are read by an engine."""

    folder: Path
    config: BundleConfig

    @classmethod
    def open(cls, model: str | Path) -> Self:
        """Open a packaged bundle by its name, or any bundle by its folder.

        Raises:
            BundleError: there is none, or its config is damaged or of another format.
        """
        folder = find(model)
        path = folder / "config.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}, want a bundle's config") from None
        except ValueError as error:
            raise BundleError(f"{path}: not JSON: {error}") from None
        if not isinstance(values, dict):
            raise BundleError(f"{path}: holds {type(values).__name__}, want an object")
        return cls(folder, BundleConfig.read(values, str(path)))

    def weights(self, part: str) -> Path:
        """Give the file of `encoder`, `image2feature` or `feature2image`, checked by its sum.

        Raises:
            BundleError: it is missing, or its checksum differs.
        """
        name = f"{part}.safetensors"
        self._check(name, self._sums())
        return self.folder / name

    def parts(self) -> list[str]:
        """Name the weight files that the config asks for, without their suffix."""
        keys = self.config.feature2image
        translators = ["feature2image" if k == SHARED else f"feature2image-{k}" for k in keys]
        return ["encoder", "image2feature", *translators]

    def fill_settings(self, changed: dict[str, Any]) -> FillSettings:
        """Give how the bundle is best used, but for what is `changed`.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        return FillSettings.read({**self.config.fill.model_dump(), **changed}, "settings")

    def verify(self) -> list[str]:
        """Check every file against SHA256SUMS; give their names.

        Raises:
            BundleError: a file is missing or differs, or a part has no sum.
        """
        sums = self._sums()
        for part in self.parts():
            self._check(f"{part}.safetensors", sums)
        for name in sums:
            self._check(name, sums)
        return sorted(sums)

    def _sums(self) -> dict[str, str]:
        path = self.folder / SUMS
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}, want the bundle's checksums") from None
        return {line[66:]: line[:64] for line in lines if line.strip()}

    def _check(self, name: str, sums: dict[str, str]) -> None:
        path = self.folder / name
        if name not in sums:
            raise BundleError(f"{path}: no checksum in {SUMS}")
        if not path.is_file():
            raise BundleError(f"{path}: missing from the bundle")
        found = sha256(path)
        if found != sums[name]:
            raise BundleError(f"{path}: SHA-256 is {found[:12]}..., want {sums[name][:12]}...")


def packaged() -> Path:
    """Give the folder of the bundles that come with the package."""
    return Path(str(resources.files("swapfill"))) / "bundles"


def available() -> list[str]:
    """Name the packaged bundles."""
    return sorted(path.parent.name for path in packaged().glob("*/config.json"))


def find(model: str | Path) -> Path:
    """Give the folder of a packaged bundle's name or of a path.

    Raises:
        BundleError: there is neither.
    """
    if isinstance(model, str) and model in available():
        return packaged() / model
    folder = Path(model)
    if folder.is_dir():
        return folder
    choices = ", ".join(available()) or "none is packaged"
    raise BundleError(f"model {str(model)!r} is not there, want one of {choices}, or a folder")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over the other files of `folder`, as `sha256sum` would."""
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != SUMS)
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def sha256(path: Path) -> str:
    """Give a file's SHA-256 in hexadecimal."""
    with path.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()
