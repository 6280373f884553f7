"""`swapfill inpaint`: one picture file, or a folder of them, their holes filled."""

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapfill.cli_options import AsJson, Device, Engine, Model, Precision, Quiet
from swapfill.cli_terminal import OnProgress, bar, notices, picture_bar, say
from swapfill.errors import ConfigError, MaskError, OutputError

if TYPE_CHECKING:
    from swapfill.folder_run import Crew
    from swapfill.folders import Folders
    from swapfill.picture_task import How

_SOME_FAILED = 1  # the exit code when pictures of a folder could not be filled


def inpaint(
    photo: Annotated[
        Path,
        typer.Argument(help="The picture, PNG, JPEG, WebP, TIFF, BMP or GIF; or a folder of them."),
    ],
    mask: Annotated[
        Path | None,
        typer.Argument(
            help="White = hole, of the picture's size; none: where it is transparent. For a folder"
            " also a folder: b.png or b_mask.png for b.jpg."
        ),
    ] = None,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write the result, or a folder's.")
    ],
    model: Model = "default",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    scales: Annotated[
        str | None, typer.Option(help="Sides in pixels, coarse to fine, such as 128,256,512.")
    ] = None,
    refine: Annotated[int | None, typer.Option(help="Further passes at each scale.")] = None,
    matching: Annotated[
        str | None, typer.Option(help="How patches are matched: literal, blurred or coherent.")
    ] = None,
    grow: Annotated[int | None, typer.Option(help="Pixels to grow the hole by.")] = None,
    feather: Annotated[
        int | None, typer.Option(help="Pixels around the hole over which to blend.")
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", help="The mask is black = hole.")] = False,
    fit_mask: Annotated[
        bool, typer.Option("--fit-mask", help="Resize a mask of another size.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Another number is another try.")] = None,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="Of JPEG and WebP; none: as the picture's.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Let the output replace the picture or the mask itself; of a folder, do again what"
            " is done.",
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, help="Of a folder: processes that fill pictures, each a model.")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of a folder: fill on a Ray cluster (local: one of this machine alone).",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fill the hole of one picture, or of every picture in a folder.

    An older file at the output is replaced once the new one is whole. Of a folder, what an earlier
    run has done is not done again.
    """
    asked = {
        "scales": None if scales is None else _sides(scales),
        "refine": refine,
        "matching": matching,
        "grow": grow,
        "feather": feather,
        "invert": invert or None,
        "seed": seed,
    }
    options = {name: value for name, value in asked.items() if value is not None}
    options |= {"engine": engine, "device": device, "precision": precision}
    if photo.is_dir():
        from swapfill.folders import Folders
        from swapfill.picture_task import How

        how = How(model, options, fit_mask, quality, force)
        _fill_folder(Folders(photo, mask, output), how, (jobs, ray), as_json=as_json, quiet=quiet)
        return
    if mask is not None and mask.is_dir():
        raise MaskError(f"{mask}: is a folder, want a file as the picture {photo} is one")
    _check_output(output, [] if force else [photo, mask])
    files = (photo, mask, output)
    with notices(quiet=quiet), bar(f"filling {photo.name}", quiet=quiet) as on_progress:
        report = _fill(files, model, options, on_progress, fit_mask=fit_mask, quality=quality)
    if as_json:
        typer.echo(json.dumps(report))
    elif not quiet:
        typer.echo(str(output))


def _fill(
    files: tuple[Path, Path | None, Path],
    model: str,
    options: dict[str, Any],
    on_progress: OnProgress,
    *,
    fit_mask: bool,
    quality: int | None,
) -> dict[str, Any]:
    """Fill, and tell what was done."""
    from concurrent.futures import ThreadPoolExecutor

    from swapfill.allocation import make_room_for
    from swapfill.engines import load_model  # before there are two threads: both want its imports

    photo, mask, output = files
    start, windows = time.perf_counter(), 0

    def count(done: int, of_all: int) -> None:
        nonlocal windows
        windows = of_all
        on_progress(done, of_all)

    # Networks are opened without Python's lock: meanwhile the rest is imported, files are read.
    with ThreadPoolExecutor(1) as crew:
        loading = crew.submit(load_model, model, **options)
        from swapfill.formats import format_of_path
        from swapfill.unfilled import Unfilled

        unfilled = Unfilled.read(photo, mask, fit_mask=fit_mask)
        format_of_path(output, otherwise=unfilled.format)  # refused now, not after the work
        make_room_for(math.prod(unfilled.size))
        from swapfill.inpainter import Inpainter

        painter = Inpainter(*loading.result())
    hole_pixels = unfilled.hole_pixels(invert=painter.settings.invert)
    unfilled.fill(painter, count).save(output, quality=quality)
    return {
        "output": str(output),
        "size": list(unfilled.size),
        "hole_pixels": hole_pixels,
        "windows": windows,
        "seconds": round(time.perf_counter() - start, 3),
        "model": model,
        "engine": painter.engine.name,
        "device": painter.engine.device,
        "precision": painter.engine.precision,
    }


def _fill_folder(
    folders: "Folders", how: "How", who: tuple[int, str | None], *, as_json: bool, quiet: bool
) -> None:
    """Fill a folder, and tell how many were done; exit with 1 if some could not be."""
    from swapfill.folder_run import REPORT, fill_folder

    folders.check()
    with picture_bar(f"filling {folders.photos}", quiet=quiet) as on_progress:
        summary = fill_folder(folders, how, _crew(folders, how, *who), on_progress=on_progress)
    report = folders.output / REPORT
    if as_json:
        typer.echo(json.dumps({"output": str(folders.output), **asdict(summary)}))
    elif not quiet:
        typer.echo(f"{summary.done} done, {summary.skipped} done before: {folders.output}")
    if summary.failed:
        say(f"{summary.failed} failed; {report} names them")
        raise typer.Exit(_SOME_FAILED)


def _crew(folders: "Folders", how: "How", jobs: int, ray: str | None) -> "Crew":
    from swapfill.crews import by_processes, by_threads

    painter = how.load()  # in any case: a model or setting that is not there is told now
    if ray is not None:
        from swapfill.ray_crew import by_ray

        return lambda tasks: by_ray(ray, folders, how, tasks)
    if jobs > 1:
        return lambda tasks: by_processes(jobs, folders, how, tasks)
    return lambda tasks: by_threads(painter, folders, how, tasks)


def _check_output(output: Path, inputs: list[Path | None]) -> None:
    """Refuse an output that has no folder, or that is one of `inputs`."""
    if not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}, want one that is there")
    for path in inputs:
        if path is not None and output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the input {path} itself; --force replaces it")


def _sides(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(side) for side in text.split(","))
    except ValueError:
        raise ConfigError(f"--scales is {text!r}, want sides such as 128,256,512") from None
