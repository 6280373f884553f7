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

    sources: tuple[Path, ...]  # tar files, folders, and .txt lists of one picture a line
    validation: tuple[Path, ...] = ()  # the same kinds; never learned from
    unreadable: Share = 0.1  # of the pictures that may be skipped before the run is refused
    cache: Path = Path("runs/cache")  # folder of the decoded pictures
    side: Positive = 128  # pixels
    whole: Share = 1.0  # share of pictures resized whole, as in the paper; the rest are crops
    holes: Literal["centre", "mixed", "masks"] = "centre"
    centre_share: Share = 0.5  # of centre holes among "mixed" ones
    masks: Path | None = None  # folder of one's own masks, white = hole, for holes = "masks"

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if not self.sources:
            raise ValueError("sources are empty, want at least one")
        if (self.holes == "masks") != (self.masks is not None):
            raise ValueError("masks is a folder, wanted with holes = 'masks' and only with it")
        return self


class OptimSettings(Settings):
    """Adam, its schedule, and what is averaged."""

    steps: Positive = 10_000
    until: Positive | None = None  # the step this run ends at; the schedule is still over `steps`
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

    @property
    def last_step(self) -> int:
        """The step at which the run is done."""
        return self.steps if self.until is None else min(self.until, self.steps)


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


class ValidationSettings(Settings):
    """When the network is looked at, and when that ends the run."""

    every: Positive = 500  # steps between two looks
    pictures: Positive = 32  # of data.validation that the figures are taken from
    samples: Annotated[int, Field(ge=0)] = 8  # pictures in samples/STEP.png; 0: no sheets
    patience: Annotated[int, Field(ge=0)] = 0  # looks without a better one that end the run; 0: no


class TrainSettings(Settings):
    """One stage of training."""

    stage: Literal["encoder", "image2feature", "feature2image"]
    data: DataSettings
    optim: OptimSettings = OptimSettings()
    loss: LossSettings = LossSettings()
    query: QuerySettings = QuerySettings()
    validation: ValidationSettings = ValidationSettings()
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
        if self.validation.patience and not self.data.validation:
            raise ValueError("validation.patience needs data.validation")
        return self

    @property
    def weights_file(self) -> str:
        """The file of a run folder to use: the best look's where looks decide, else the last."""
        return "best.safetensors" if self.validation.patience else "network.safetensors"


def load_settings(path: Path, overrides: list[str]) -> TrainSettings:
    """Read a TOML file, then apply `name=value` overrides (values are TOML, else strings).

    Raises:
        ConfigError: the file is missing or no TOML, or a setting is refused.
    """
    values = read_toml(path)
    for override in overrides:
        apply(values, override)
    return TrainSettings.read(values, str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: it is missing or no TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def apply(values: dict[str, Any], override: str) -> None:
    """Put one `name=value` into plain settings, in place.

    Raises:
        ConfigError: it has another form, or a part of its name is no table.
    """
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
