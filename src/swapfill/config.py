"""Settings: each default, unit and rule is written here and nowhere else."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from swapfill.errors import ConfigError

FEATURE_CHANNELS = 256  # of VGG-19 relu3_1, and of every encoder that stands in for it
COARSEST = 128  # pixels; the side at which Image2Feature infers
FEATURE_STRIDE = 4  # pixels a feature cell spans at relu3_1

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Norm = Literal["none", "batch", "group"]
Upsampling = Literal["resize", "deconvolution"]
# literal: the paper's. blurred: candidates compared as blurry as the guess. coherent: queries from
# the feature head, neighbours agree, matches carried up the scales.
Matching = Literal["literal", "blurred", "coherent"]


class Settings(BaseModel):
    """Frozen settings that refuse unknown names; build them with `read` to get one-line errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str, *, strict: bool = False) -> Self:
        """Build from plain values; `strict` takes no string for a number.

        Raises:
            ConfigError: a name is unknown or a value is refused; names `where` and the setting.
        """
        try:
            return cls.model_validate(dict(values), strict=strict or None)
        except ValidationError as error:
            raise ConfigError(_one_line(cls, error, where)) from None


def _one_line(model: type[BaseModel], error: ValidationError, where: str) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or model.__name__
    if first["type"] == "extra_forbidden":
        holder: Any = model
        for part in first["loc"][:-1]:
            annotation = holder.model_fields[part].annotation if part in holder.model_fields else 0
            holder = annotation if isinstance(annotation, type) else holder
        choices = ", ".join(sorted(holder.model_fields))
        return f"{where}: {name} is not a setting, want one of {choices}"
    message = first["msg"].removeprefix("Value error, ")
    found = first["input"] if isinstance(first["input"], str | int | float | bool) else None
    said = f" is {found!r}" if found is not None and first["type"] != "missing" else ""
    return f"{where}: {name}{said}: {message[0].lower()}{message[1:]}"


def _power_of_two(value: int, name: str, least: int) -> None:
    if value < least or value & (value - 1):
        raise ValueError(f"{name} is {value}, want a power of two, at least {least}")


class EncoderConfig(Settings):
    """What turns a picture into features: VGG-19 up to `layer`, or a compact student of it."""

    kind: Literal["compact", "vgg19"] = "compact"
    layer: Literal["relu2_1", "relu3_1", "relu4_1"] = "relu3_1"
    width: Positive = 32  # channels at full resolution; the compact encoder only


class Image2FeatureConfig(Settings):
    """G_1 (section 3.3.1): from an incomplete picture to a coarse one."""

    kind: Literal["unet", "context_encoder"] = "unet"  # the latter: [27] in its place (section 4.3)
    side: int = 128  # pixels; the encoder halves it down to 1
    mask_aware: bool = True  # hole as a fourth channel, decoder up to the whole picture
    width: Positive = 64  # channels after the first convolution; doubled at each level
    max_width: Positive = 512
    norm: Norm = "batch"
    upsampling: Upsampling = "deconvolution"
    membrane: bool = False  # see the hole filled smoothly, and answer what differs from that
    feature_head: bool = False  # also predict the features of the hole, at a quarter of the side
    context: Annotated[int, Field(ge=0)] = 0  # blocks of attention, at a sixteenth of the side
    bottleneck: Positive = 4000  # numbers a picture is squeezed into; the context encoder only

    @property
    def any_side(self) -> bool:
        """Whether it guesses at `side` times any power of two as well: it is convolutional."""
        return self.kind == "unet" and self.mask_aware

    def side_for(self, side: int) -> int:
        """Give the side at which it guesses for a picture of `side` pixels: the nearest below."""
        times = side // self.side if self.any_side else 1
        return self.side << max(times.bit_length() - 1, 0)

    @model_validator(mode="after")
    def _rules(self) -> Self:
        _power_of_two(self.side, "side", 16)
        if (self.feature_head or self.membrane) and not self.mask_aware:
            raise ValueError("feature_head and membrane need mask_aware")
        if self.context and (not self.mask_aware or self.side < 32):
            raise ValueError("context needs mask_aware and a side of 32 or more")
        if self.kind == "context_encoder" and self.mask_aware:
            raise ValueError("mask_aware is true, want false for a context_encoder")
        return self


class Feature2ImageConfig(Settings):
    """G_2 (section 3.3.3): from a swapped feature map to a picture."""

    kind: Literal["unet", "resnet"] = "unet"  # the latter: nine residual blocks (section 4.3)
    side: int = 256  # pixels; the bottleneck is 1x1 at this side, larger sides fit too
    in_channels: Positive = FEATURE_CHANNELS
    stride: Positive = FEATURE_STRIDE  # pixels a cell of the feature map spans
    width: Positive = 64  # channels of the first convolution; doubled at each level
    max_width: Positive = 512
    norm: Norm = "batch"
    upsampling: Upsampling = "resize"
    guided: bool = False  # see the copied pieces' pixels, the guess and the hole, and correct them

    @model_validator(mode="after")
    def _rules(self) -> Self:
        _power_of_two(self.stride, "stride", 2)
        _power_of_two(self.side, "side", 4 * self.stride)
        if self.guided and self.stride != FEATURE_STRIDE:
            raise ValueError(f"stride is {self.stride}, want {FEATURE_STRIDE} where guided")
        if self.kind == "resnet" and (self.guided or self.norm == "none"):
            raise ValueError("a resnet is not guided, and wants a norm: batch or group")
        return self


class GlcicConfig(Settings):
    """The completion network of GLCIC ([16]), which the paper compares with."""

    width: Positive = 64  # channels after the first convolution; four times as many in the middle
    norm: Norm = "batch"


class DiscriminatorConfig(Settings):
    """D_1 and D_2: five convolution blocks, 30x30 logits at 256."""

    # patch: the paper's. centre: Context Encoder's, of the half-size centre alone; only as D_1.
    # projected: of VGG-19's features of the picture; only as D_2.
    kind: Literal["patch", "centre", "projected"] = "patch"
    width: Positive = 64
    norm: Literal["none", "batch", "spectral"] = "batch"
    conditional: bool = False  # projected: told what the known side around a patch is like

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.conditional and self.kind != "projected":
            raise ValueError(f"conditional is true, want kind 'projected', not {self.kind!r}")
        return self


class FillSettings(Settings):
    """How a window is filled."""

    # Sides in pixels, coarse to fine; None: 128, then doubled up to the window's own side.
    scales: tuple[int, ...] | None = None
    refine: Annotated[int, Field(ge=0, le=8)] = 0  # further passes at each scale (section 4.3)
    matching: Matching = "coherent"
    # Of neighbouring pieces that go on in each other, in units of cosine.
    bonus: Annotated[float, Field(ge=0)] = 0.1
    # What a candidate of coherent matching loses, in cosine, by its colours' squared difference in
    # [0, 1] from the guess's, and by its squared distance in sides of the window.
    colour: Annotated[float, Field(ge=0)] = 0.0
    distance: Annotated[float, Field(ge=0)] = 0.0
    # What it costs where two neighbouring pieces meet, by the squared difference of their pixels.
    border: Annotated[float, Field(ge=0)] = 0.0
    # Content coarser than this many pixels of the 128 scale is the guess's; 0: the translation's.
    tone: Annotated[float, Field(ge=0)] = 0.0
    grow: int = 0  # pixels the hole is grown by
    feather: Annotated[int, Field(ge=0)] = 0  # pixels outside the hole that may change
    invert: bool = False  # the mask is black = hole
    seed: int = 0  # of another try: coherent matching prefers other places; 0 prefers none

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.scales is not None:
            if not self.scales or list(self.scales) != sorted(set(self.scales)):
                raise ValueError(f"scales are {self.scales}, want rising sides")
            for side in self.scales:
                _power_of_two(side, "a scale", 128)
        return self
