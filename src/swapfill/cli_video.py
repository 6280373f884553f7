"""`swapfill video`: a clip, or a folder of frames, its hole filled."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from swapfill.cli_options import AsJson, Device, Engine, Model, Precision, Quiet
from swapfill.cli_terminal import notices, picture_bar, say
from swapfill.errors import ConfigError


def video(
    clip: Annotated[Path, typer.Argument(help="The clip, or a folder of its frames in order.")],
    mask: Annotated[
        Path, typer.Argument(help="White = hole: a picture, a folder of pictures, or a clip.")
    ],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write: file or folder.")],
    steadiness: Annotated[
        float | None,
        typer.Option(help="How much a frame keeps of the one before, 0 to 1; 0: nothing."),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Frames that are filled together.")] = None,
    codec: Annotated[
        str | None, typer.Option(help="An encoder, such as libx264 or ffv1; none: as the clip's.")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(min=0, max=63, help="Its crf or quantiser; 0 is best.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="More of the encoder's: preset=slow; any number.")
    ] = None,
    grow: Annotated[int | None, typer.Option(help="Pixels to grow the hole by.")] = None,
    invert: Annotated[bool, typer.Option("--invert", help="The mask is black = hole.")] = False,
    matching: Annotated[
        str | None, typer.Option(help="How patches are matched: literal, blurred or coherent.")
    ] = None,
    refine: Annotated[int | None, typer.Option(help="Further passes at each scale.")] = None,
    model: Model = "default",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fill the hole of a clip, steadily from frame to frame.

    Sound, subtitles, time stamps and rotation stay; an older file at the output is replaced once
    the new one is whole.
    """
    asked = {
        "steadiness": steadiness,
        "batch": batch,
        "grow": grow,
        "invert": invert or None,
        "matching": matching,
        "refine": refine,
    }
    settings: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    options = dict(_pair(text) for text in option or [])
    with notices(quiet=quiet), picture_bar(f"filling {clip.name}", quiet=quiet) as on_progress:
        from swapfill.video import VideoInpainter

        painter = VideoInpainter.load(
            model, engine=engine, device=device, precision=precision, **settings
        )
        report = painter.fill_clip(
            clip,
            mask,
            output,
            codec=codec,
            quality=quality,
            options=options,
            on_progress=on_progress,
        )
    if as_json:
        engine_said = {"engine": painter.engine.name, "device": painter.engine.device}
        typer.echo(json.dumps({"output": str(output), **asdict(report), **engine_said}))
    elif not quiet:
        typer.echo(str(output))
    if report.lost and not quiet:
        say(f"{clip}: {report.lost} of {report.frames} frames could not be decoded")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--option is {text!r}, want name=value, such as preset=slow")
    return name, value
