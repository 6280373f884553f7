"""Settings of a training run: one stage, its data, its losses. TOML in."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from swapfill.config import (
    DiscriminatorConfig,
    EncoderConfig,
    Feature2ImageConfig,
    GlcicConfig,
    Image2FeatureConfig,
    Positive,
    Settings,
    Share,
)
from swapfill.errors import ConfigError

Weight = Annotated[float, Field(ge=0)]


class DataSettings(Settings):
    """Where pictures come from and how a square is cut."""

    # Folders, .txt lists of one picture a line, tar files, patterns of these (a-{00..12}.tar), and
    # http(s) URLs of tar files.
    sources: tuple[str, ...]
    validation: tuple[str, ...] = ()  # the same kinds; never learned from
    unreadable: Share = 0.1  # of the pictures that may be skipped before the run is refused
    keep: Literal["decoded", "encoded"] = "decoded"  # pixels in the cache, or an index of files
    cache: Path = Path("runs/cache")  # folder of what is kept
    workers: Annotated[int, Field(ge=0, le=256)] = 1  # threads that make batches ahead; 0: none
    side: Positive = 128  # pixels
    upscale: Annotated[float, Field(ge=1)] = 1.0  # how many times too short a picture may be to cut
    whole: Share = 1.0  # share of pictures resized whole, as in the paper; the rest are crops
    holes: Literal["centre", "box", "free-form", "blob", "mixed", "masks"] = "centre"
    centre_share: Share = 0.5  # of centre holes among "mixed" ones
    close_share: Share = 0.0  # of strokes seen from near among the other "mixed" ones
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
    clip: Weight = 0.0  # largest norm of the network's gradient; 0: any
    warmup: Annotated[int, Field(ge=0)] = 0  # steps of a linearly rising rate
    cosine: bool = False  # let the rate fall to 0 over the run
    ema: Share = 0.0  # decay of the averaged weights; 0: none
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "auto"  # auto, cpu, cuda, cuda:N or mps; under torchrun a card for each process
    compile: bool = False  # by torch.compile: minutes to start, then faster
    sync_norm: bool = False  # batch norms see the pictures of all processes; CUDA alone
    seed: int = 0
    save_every: Positive = 250  # steps

    @property
    def last_step(self) -> int:
        """The step at which the run is done."""
        return self.steps if self.until is None else min(self.until, self.steps)


class RatioSettings(Settings):
    """Multiples of the weighted image term that other terms are to be; 0: their weight is given."""

    feature: Weight = 0.0
    head: Weight = 0.0
    perceptual: Weight = 0.0
    adversarial: Weight = 0.0
    steps: Positive = 100  # over which the terms are measured; then their weights stay

    def of(self, term: str) -> float:
        """Give a term's ratio; 0 for one that has none."""
        return float(getattr(self, term)) if term in _RATED else 0.0

    @property
    def asked(self) -> bool:
        """Whether any weight is to be measured."""
        return any(self.of(term) for term in _RATED)


_RATED = ("feature", "head", "perceptual", "adversarial")


class LossSettings(Settings):
    """Weights of the terms; each term's reduction is stated in `losses`."""

    image: Weight = 1000.0  # mean of `distance`
    distance: Literal["l1", "l2"] = "l1"  # of the image term: absolute or squared differences
    feature: Weight = 0.001  # summed l1 of encoder features over the hole (eq. 3)
    head: Weight = 0.0  # mean squared error of Image2Feature's feature head, relative
    perceptual: Weight = 0.0  # VGG distance over the hole
    adversarial: Weight = 1.0
    kind: Literal["bce", "hinge"] = "bce"
    ring: Annotated[int, Field(ge=0)] = 4  # pixels
    ring_weight: Weight = 10.0
    hole_weight: Weight = 1.0  # of the hole against the known side, in Feature2Image's image loss
    gradient_penalty: Weight = 0.0  # R1 of the discriminator, on real pictures in [0, 1]
    penalty_every: Positive = 1  # steps; where it is taken it weighs that many times as much
    ratio: RatioSettings = RatioSettings()  # weights that are measured in place of those above

    @model_validator(mode="after")
    def _rules(self) -> Self:
        for term in _RATED:
            if self.ratio.of(term) and not getattr(self, term):
                raise ValueError(f"{term} is 0 and ratio.{term} is not, want it above 0: in use")
        return self

    def penalty_at(self, step: int) -> float:
        """Give the weight of the gradient penalty at a step; 0 where it is left out."""
        due = step % self.penalty_every == 0
        return self.gradient_penalty * self.penalty_every if due else 0.0


class QuerySettings(Settings):
    """What patch-swap is asked for while Feature2Image trains (section 3.3.3)."""

    prediction: Share = 0.0  # share of queries from Image2Feature's guess; the rest is the truth
    matching: Literal["literal", "coherent"] = "coherent"  # of predictions; the truth: literal
    bonus: Weight = 0.1  # of coherent matching
    colour: Weight = 0.0  # of coherent matching; see FillSettings
    distance: Weight = 0.0
    border: Weight = 0.0
    tone: Weight = 0.0  # of the pieces' pixels; see FillSettings
    direct: Share = 0.0  # of the batches that are matched at their own side, not carried from half
    tile: Annotated[int, Field(ge=0)] = 0  # pixels of the tile that is translated; 0: all of it
    tiles: Positive = 1  # out of each picture, whose pieces are found once


class PhaseSettings(Settings):
    """Who learns when, of GLCIC: shares of the steps, by default 90,000 and 10,000 of 500,000."""

    completion: Share = 0.18  # the completion network alone, by the image term
    judge: Share = 0.02  # after that the discriminators alone; then both

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.completion + self.judge > 1:
            raise ValueError(f"completion and judge are {self.completion + self.judge:g}, want 1")
        return self

    def starts(self, steps: int) -> tuple[int, int]:
        """Give the step at which the discriminators begin, and that at which both learn."""
        first = round(self.completion * steps)
        return first, first + round(self.judge * steps)


class ValidationSettings(Settings):
    """When the network is looked at, and when that ends the run."""

    every: Positive = 500  # steps between two looks
    pictures: Positive = 32  # of data.validation that the figures are taken from
    samples: Annotated[int, Field(ge=0)] = 8  # pictures in samples/STEP.png; 0: no sheets
    tensorboard: bool | Literal["auto"] = "auto"  # its events; auto: where it is installed
    patience: Annotated[int, Field(ge=0)] = 0  # looks without a better one that end the run; 0: no


class TrainSettings(Settings):
    """One stage of training."""

    stage: Literal["encoder", "image2feature", "feature2image", "glcic"]
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
    glcic: GlcicConfig = GlcicConfig()
    phases: PhaseSettings = PhaseSettings()  # of glcic
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    initial_weights: Path | None = None  # of the network that this stage trains

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.stage == "encoder" and self.vgg is None:
            raise ValueError("vgg is missing, want the teacher's weights file")
        if self.query.prediction > 0 and self.image2feature_weights is None:
            raise ValueError("query.prediction needs image2feature_weights")
        if self.query.tile % self.feature2image.side or self.query.tile > self.data.side:
            raise ValueError(
                f"query.tile is {self.query.tile}, want 0 or a multiple of feature2image.side, "
                f"{self.feature2image.side}, up to data.side, {self.data.side}"
            )
        if self.optim.compile and self.loss.gradient_penalty:
            raise ValueError(
                f"loss.gradient_penalty is {self.loss.gradient_penalty}, want 0 with "
                "optim.compile: what is compiled has no gradient of its gradient"
            )
        if self.stage == "image2feature" and self.image2feature.kind == "context_encoder":
            self._check_context_encoder()
        if self.stage == "feature2image" and self.discriminator.kind == "centre":
            raise ValueError(
                "discriminator.kind is 'centre', want 'patch' or 'projected' for feature2image"
            )
        if self.stage == "image2feature" and self.discriminator.kind == "projected":
            raise ValueError(
                "discriminator.kind is 'projected', want 'patch' or 'centre' for image2feature"
            )
        if self.stage == "glcic":
            self._check_glcic()
        if self.validation.patience and not self.data.validation:
            raise ValueError("validation.patience needs data.validation")
        return self

    def _check_context_encoder(self) -> None:
        if self.data.side != self.image2feature.side:
            raise ValueError(
                f"data.side is {self.data.side}, want image2feature.side, "
                f"{self.image2feature.side}, for a context_encoder"
            )
        if self.data.holes != "centre":
            raise ValueError(
                f"data.holes is {self.data.holes!r}, want 'centre': a context_encoder answers "
                "the centre half alone"
            )
        if self.image2feature.norm == "batch" and self.optim.batch_size < 2:
            raise ValueError("optim.batch_size is 1, want 2 or more to normalise a context_encoder")

    def _check_glcic(self) -> None:
        side = self.data.side
        if side < 16 or side & (side - 1):
            raise ValueError(f"data.side is {side}, want a power of two, 16 or more, for glcic")
        if self.optim.batch_size < 2:
            raise ValueError("optim.batch_size is 1, want 2 or more to normalise glcic's judge")

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
