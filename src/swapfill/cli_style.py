"""`swapfill style`: a picture, or a folder of them, in the style of others."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from swapfill.cli_options import AsJson, Device, Engine, Model, Precision, Quiet
from swapfill.cli_terminal import OnProgress, bar, notices, say
from swapfill.errors import ConfigError, OutputError


def style(
    content: Annotated[Path, typer.Argument(help="The picture, or a folder of pictures.")],
    styles: Annotated[list[Path], typer.Argument(help="One or more pictures to take from.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write: file or folder.")],
    mask: Annotated[
        Path | None, typer.Option(help="White = where to work; elsewhere not a bit changes.")
    ] = None,
    fit_mask: Annotated[
        bool, typer.Option("--fit-mask", help="Resize a mask of another size.")
    ] = False,
    weight: Annotated[
        list[float] | None, typer.Option(help="Of each style, in their order; none: equal.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="0 gives the content back, 1 is the style in full.")
    ] = None,
    keep_colours: Annotated[
        bool, typer.Option("--keep-colours", help="Change brightness alone.")
    ] = False,
    coarsest: Annotated[
        int | None,
        typer.Option(help="64 to 512: the side at which pieces are chosen; less: larger pieces."),
    ] = None,
    style_scale: Annotated[
        float | None, typer.Option(help="Size of the style's pieces, 0.25 to 4; 1 as they are.")
    ] = None,
    tone: Annotated[
        float | None, typer.Option(help="How much light has to stay light, 0 to 50.")
    ] = None,
    detail: Annotated[
        float | None, typer.Option(help="How much finer scales see of the content, 0 to 1.")
    ] = None,
    model: Model = "default",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="Of JPEG and WebP; none: as the content's.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an input, or results that a folder has.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Give a picture the style of others: its patches are swapped for theirs.

    A folder gives a folder: the same tree, names and formats; what is there already is skipped.
    """
    asked = {
        "strength": strength,
        "keep_colours": keep_colours or None,
        "coarsest": coarsest,
        "style_scale": style_scale,
        "tone": tone,
        "detail": detail,
    }
    options: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    options |= {"engine": engine, "device": device, "precision": precision}
    if content.is_dir() and mask is not None:
        raise ConfigError(f"--mask {mask} is for one picture, and {content} is a folder")
    start = time.perf_counter()
    with notices(quiet=quiet), bar(f"styling {content.name}", quiet=quiet) as on_progress:
        from swapfill.style import Stylist

        if content.is_dir():
            stylist = Stylist.load(model, **options)
            report = _folder(
                stylist, (content, styles, output), weight, quality, on_progress, force=force
            )
        else:
            _check_output(output, [] if force else [content, mask, *styles])
            stylist = Stylist.load(model, **options)
            stylist.stylize_file(
                content,
                styles,
                output,
                mask=mask,
                weights=weight,
                fit_mask=fit_mask,
                quality=quality,
                on_progress=on_progress,
            )
            report = {"output": str(output)}
    _tell(report, stylist, start, as_json=as_json, quiet=quiet)


def _folder(
    stylist: Any,
    paths: tuple[Path, list[Path], Path],
    weights: list[float] | None,
    quality: int | None,
    on_progress: OnProgress,
    *,
    force: bool,
) -> dict[str, Any]:
    from swapfill.style_folder import stylize_folder

    report = stylize_folder(
        stylist,
        *paths,
        weights=weights,
        quality=quality,
        force=force,
        on_progress=on_progress,
    )
    return {
        "output": str(paths[2]),
        "done": len(report.done),
        "skipped": len(report.skipped),
        "failed": {str(name): line for name, line in report.failed.items()},
    }


def _tell(
    report: dict[str, Any], stylist: Any, start: float, *, as_json: bool, quiet: bool
) -> None:
    engine = stylist.engine
    report |= {
        "seconds": round(time.perf_counter() - start, 3),
        "engine": engine.name,
        "device": engine.device,
        "precision": engine.precision,
    }
    failed = report.get("failed", {})
    for line in failed.values():
        say(line)
    if as_json:
        typer.echo(json.dumps(report))
    elif not quiet:
        typer.echo(report["output"])
    if failed:
        say(f"{len(failed)} of {len(failed) + report['done'] + report['skipped']} pictures failed")
        raise typer.Exit(1)


def _check_output(output: Path, inputs: list[Path | None]) -> None:
    """Refuse an output that has no folder, an unknown suffix, or that is one of `inputs`."""
    from swapfill.formats import format_of_path

    format_of_path(output, otherwise="PNG")  # refused now, not after the work
    if not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}, want one that is there")
    for path in inputs:
        if path is not None and output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the input {path} itself; --force replaces it")
