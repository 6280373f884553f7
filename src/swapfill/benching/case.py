"""One measurement: what is asked of a process, and what it answers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Case(BaseModel):
    """What one process measures.

    `ours` is a filling by our model, step by step and against its floor, `curve` the same without
    the floor, of several `pictures` at once if asked for; `method` a filling by another program,
    `forward` a pass through the network in the ONNX `file`, `swap` a patch-swap.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ours", "curve", "method", "forward", "swap"]
    name: str
    side: int  # of the picture, pixels
    hole: int  # side of the square hole, pixels
    repeat: int
    model: str = "default"
    engine: str = "auto"
    precision: str = "auto"
    pictures: int = 1  # filled at once
    file: str = ""


class Row(BaseModel):
    """What a process found.

    `seconds` and `processor` are medians of one filling, without file work; `peak` and `extra` are
    bytes. By step: `steps` medians in seconds, `moved` bytes in and out, `operations` of
    convolutions and products. `missing` says why nothing was measured.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: str
    precision: str = "fp32"
    seconds: float = 0.0
    processor: float = 0.0
    load: float = 0.0
    peak: int = 0
    extra: int = 0
    steps: dict[str, float] = {}
    moved: dict[str, int] = {}
    operations: dict[str, int] = {}
    multiply: float = 0.0  # operations a second, measured
    copy_rate: float = 0.0  # bytes a second, measured
    missing: str = ""
