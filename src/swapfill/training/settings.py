"""Settings of a training run: one stage, its data, its losses. TOML in."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from swapfill.config import (
    DiscriminatorConfig,
    EncoderConfig,
    Feature2ImageConfig,
    Image2FeatureConfig,
    Positive,
    Settings,
    Share,
)
from swapfill.errors import ConfigError

Weight = Annotated[float, Field(ge=0)]


class DataSettings(Settings):
    """Where pictures come from and how a square is cut."""

    sources: tuple[Path, ...]  # tar files and folders
    cache: Path = Path("runs/cache")  # folder of the decoded pictures
    side: Positive = 128  # pixels
    whole: Share = 1.0  # share of pictures resized whole, as in the paper; the rest are crops
    holes: Literal["centre", "mixed"] = "centre"
    centre_share: Share = 0.5  # of centre holes among "mixed" ones


class OptimSettings(Settings):
    """Adam, its schedule, and what is averaged."""

    steps: Positive = 10_000
    batch_size: Positive = 16
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    discriminator_rate: Annotated[float, Field(gt=0)] = 2e-4
    momentum: Share = 0.5  # Adam's beta1 (section 3.3.1)
    warmup: Annotated[int, Field(ge=0)] = 0  # steps of a linearly rising rate
    cosine: bool = False  # let the rate fall to 0 over the run
    ema: Share = 0.0  # decay of the averaged weights; 0: none
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    save_every: Positive = 250  # steps


class LossSettings(Settings):
    """Weights of the terms; each term's reduction is stated in `losses`."""

    image: Weight = 1000.0  # mean l1
    feature: Weight = 0.001  # summed l1 of encoder features over the hole (eq. 3)
    head: Weight = 0.0  # mean squared error of Image2Feature's feature head, relative
    perceptual: Weight = 0.0  # VGG distance over the hole
    adversarial: Weight = 1.0
    kind: Literal["bce", "hinge"] = "bce"
    ring: Annotated[int, Field(ge=0)] = 4  # pixels
    ring_weight: Weight = 10.0
    hole_weight: Weight = 1.0  # of the hole against the known side, in Feature2Image's image loss


class QuerySettings(Settings):
    """What patch-swap is asked for while Feature2Image trains (section 3.3.3)."""

    prediction: Share = 0.0  # share of queries from Image2Feature's guess; the rest is the truth
    matching: Literal["literal", "coherent"] = "coherent"  # of predictions; the truth: literal
    bonus: Weight = 0.1  # of coherent matching


class TrainSettings(Settings):
    """One stage of training."""

    stage: Literal["encoder", "image2feature", "feature2image"]
    data: DataSettings
    optim: OptimSettings = OptimSettings()
    loss: LossSettings = LossSettings()
    query: QuerySettings = QuerySettings()
    vgg: Path | None = None  # relu3_1 weights: the teacher, and the judge of the perceptual loss
    encoder: EncoderConfig = EncoderConfig()
    encoder_weights: Path | None = None
    image2feature: Image2FeatureConfig = Image2FeatureConfig()
    image2feature_weights: Path | None = None
    feature2image: Feature2ImageConfig = Feature2ImageConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    initial_weights: Path | None = None  # of the network that this stage trains

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.stage == "encoder" and self.vgg is None:
            raise ValueError("vgg is missing, want the teacher's weights file")
        if self.query.prediction > 0 and self.image2feature_weights is None:
            raise ValueError("query.prediction needs image2feature_weights")
        return self


def load_settings(path: Path, overrides: list[str]) -> TrainSettings:
    """Read a TOML file, then apply `name=value` overrides (values are TOML, else strings).

    Raises:
        ConfigError: the file is missing or no TOML, or a setting is refused.
    """
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    for override in overrides:
        _apply(values, override)
    return TrainSettings.read(values, str(path))


def _apply(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"override {override!r}: want name=value")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = name.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {override!r}: {parent} is a value, want a table")
    values[last] = value
