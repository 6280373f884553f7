"""The fields of a request besides its pictures, and what is answered, as the API documents them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from swapfill.config import Matching, Settings, Share
from swapfill.style_settings import StyleSettings

Base64 = Annotated[
    str,
    Field(
        min_length=1, json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/*"}
    ),
]


def _true_or_false(value: Any) -> Any:
    """Refuse other words for it, which a form could have."""
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("want true or false")
    return value


Flag = Annotated[bool, BeforeValidator(_true_or_false)]
Quality = Annotated[
    int | None, Field(ge=1, le=100, description="Of JPEG and WebP; none: as the picture's.")
]
FitMask = Annotated[Flag, Field(description="Resize a mask of another size.")]

MODEL = "One of the names in /v1/models; by default the first."
METHOD = "A model's name, or a classical method of /v1/models."

_WIDEST = 512  # pixels; time and memory go with it


class InpaintOptions(Settings):
    """How a hole is filled; what is not given is as the model has it."""

    model: str | None = Field(default=None, max_length=200, description=MODEL)
    method: str | None = Field(default=None, max_length=200, description=METHOD)
    grow: int | None = Field(
        default=None, ge=-_WIDEST, le=_WIDEST, description="Pixels to grow the hole by."
    )
    feather: int | None = Field(
        default=None, ge=0, le=_WIDEST, description="Pixels around the hole over which to blend."
    )
    invert: Flag | None = Field(default=None, description="The mask is black = hole.")
    refine: int | None = Field(
        default=None, ge=0, le=8, description="Further passes at each scale."
    )
    matching: Matching | None = Field(default=None, description="How patches are matched.")
    seed: int | None = Field(
        default=None, ge=-(2**53), le=2**53, description="Another number is another try."
    )
    quality: Quality = None
    fit_mask: FitMask = False

    def fill_settings(self) -> dict[str, Any]:
        """Give what is asked of `FillSettings`."""
        names = ("grow", "feather", "invert", "refine", "matching", "seed")
        asked = {name: getattr(self, name) for name in names}
        return {name: value for name, value in asked.items() if value is not None}


class StyleOptions(Settings):
    """How a picture takes on a style."""

    model: str | None = Field(default=None, max_length=200, description=MODEL)
    strength: Share = Field(
        default=1.0, description="0 gives the picture back, 1 is the style in full."
    )
    keep_colours: Flag = Field(default=False, description="Change brightness alone.")
    weights: list[Annotated[float, Field(ge=0, le=1e6)]] | None = Field(
        default=None, max_length=64, description="Of each style, in their order; none: equal."
    )
    quality: Quality = None
    fit_mask: FitMask = False

    def style_settings(self) -> StyleSettings:
        """Give what is asked of `StyleSettings`."""
        return StyleSettings(strength=self.strength, keep_colours=self.keep_colours)


class PreviewOptions(Settings):
    """Nothing can be said of how a picture is shown."""


class InpaintBody(InpaintOptions):
    """A picture to fill, as JSON."""

    picture: Base64 = Field(description="The picture file.")
    mask: Base64 | None = Field(
        default=None,
        description="The mask file, white = hole; none: where the picture is transparent.",
    )


class StyleBody(StyleOptions):
    """A picture and the styles it is to take on, as JSON."""

    picture: Base64 = Field(description="The picture file.")
    style: list[Base64] = Field(min_length=1, description="Picture files to take from.")
    mask: Base64 | None = Field(
        default=None, description="The mask file, white = where to work; none: everywhere."
    )


class PreviewBody(PreviewOptions):
    """A picture to look at, as JSON."""

    picture: Base64 = Field(description="The picture file.")


class InpaintJobBody(InpaintBody):
    """A job that fills a picture."""

    kind: Literal["inpaint"]


class StyleJobBody(StyleBody):
    """A job that transfers style."""

    kind: Literal["style"]


class PictureDocument(BaseModel):
    """A picture, and how it was made."""

    picture: Base64 = Field(description="The picture file, in the format of the one that was sent.")
    media_type: str = Field(examples=["image/png"])
    size: tuple[int, int] = Field(description="Height and width, upright, in pixels.")
    hole_pixels: int = Field(description="That the mask asked for, before it was grown.")
    windows: int = Field(description="That were filled; tiles, of a style.")
    seconds: float = Field(description="At work, waiting left out.")
    model: str = Field(description="The model, or the classical method.")
    engine: str = Field(description="What ran it; the method itself, where it is a classical one.")


class JobDocument(BaseModel):
    """Where a job stands."""

    id: str
    kind: Literal["inpaint", "style"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    done: int = Field(description="Windows done; tiles, of a style.")
    of: int = Field(description="All of them; 0 as long as that is not known.")
    problem: str | None = Field(
        default=None, description="Why it failed: the sentence of the problem."
    )


class ModelDocument(BaseModel):
    """A model that can be asked for."""

    name: str
    description: str
    engine: str
    devices: list[str]
    precision: str
    settings: dict[str, Any] = Field(description="What holds where a request says nothing.")


class MethodDocument(BaseModel):
    """A classical method that can be asked for."""

    name: str
    about: str


class LimitsDocument(BaseModel):
    """What is refused before any work is done."""

    upload_bytes: int
    pixels: int
    styles: int


class ModelsDocument(BaseModel):
    """All that can be asked for here."""

    models: list[ModelDocument]
    methods: list[MethodDocument]
    formats: list[str]
    limits: LimitsDocument
    style: bool = Field(description="Whether /v1/style works with the engine that runs here.")


class HealthDocument(BaseModel):
    """A word."""

    status: str
