"""`swapfill style`: a picture, or a folder of them, in the style of others."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapfill.cli_options import AsJson, Device, Engine, Model, Precision, Quiet
from swapfill.cli_terminal import bar, notices, picture_bar, say
from swapfill.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapfill.folders import Folders
    from swapfill.picture_task import Outcome, Task
    from swapfill.style_folder import StyleHow

_SOME_FAILED = 1  # the exit code when pictures of a folder could not be done


def style(
    content: Annotated[Path, typer.Argument(help="The picture, or a folder of pictures.")],
    styles: Annotated[list[Path], typer.Argument(help="One or more pictures to take from.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write: file or folder.")],
    mask: Annotated[
        Path | None,
        typer.Option(
            help="White = where to work; elsewhere not a bit changes. For a folder also a folder."
        ),
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
        bool,
        typer.Option(
            "--force", help="Let the output replace an input; of a folder, do again what is done."
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, help="Of a folder: processes that do pictures, each a model.")
    ] = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Give a picture the style of others: its patches are swapped for theirs.

    A folder gives a folder: the same tree, names and formats. What an earlier run has done is not
    done again.
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
    if content.is_dir():
        from swapfill.folders import Folders
        from swapfill.style_folder import StyleHow

        weights = None if weight is None else tuple(weight)
        how = StyleHow(
            model, options, fit_mask, quality, force, styles=tuple(styles), weights=weights
        )
        _stylize_folder(Folders(content, mask, output), how, jobs, as_json=as_json, quiet=quiet)
        return
    _check_output(output, [] if force else [content, mask, *styles])
    start = time.perf_counter()
    with notices(quiet=quiet), bar(f"styling {content.name}", quiet=quiet) as on_progress:
        from swapfill.style import Stylist

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
    if as_json:
        seconds = round(time.perf_counter() - start, 3)
        typer.echo(json.dumps({"output": str(output), "seconds": seconds, **_ran_on(stylist)}))
    elif not quiet:
        typer.echo(str(output))


def _stylize_folder(
    folders: "Folders", how: "StyleHow", jobs: int, *, as_json: bool, quiet: bool
) -> None:
    """Do a folder, and tell how many were done; exit with 1 if some could not be."""
    from swapfill.crews import by_processes
    from swapfill.folder_run import REPORT, fill_folder
    from swapfill.style_folder import StyleWorker

    folders.check()
    stylist = how.load()
    worker = StyleWorker(stylist, folders, how)  # before anything is written: styles are told now

    def crew(tasks: "Iterator[Task]") -> "Iterator[Outcome]":
        return by_processes(jobs, folders, how, tasks) if jobs > 1 else map(worker, tasks)

    with (
        notices(quiet=quiet),
        picture_bar(f"styling {folders.photos}", quiet=quiet) as on_progress,
    ):
        summary = fill_folder(folders, how, crew, on_progress=on_progress)
    if as_json:
        told = {"output": str(folders.output), **asdict(summary), **_ran_on(stylist)}
        typer.echo(json.dumps(told))
    elif not quiet:
        typer.echo(f"{summary.done} done, {summary.skipped} done before: {folders.output}")
    if summary.failed:
        say(f"{summary.failed} failed; {folders.output / REPORT} names them")
        raise typer.Exit(_SOME_FAILED)


def _ran_on(stylist: Any) -> dict[str, str]:
    engine = stylist.engine
    return {"engine": engine.name, "device": engine.device, "precision": engine.precision}


def _check_output(output: Path, inputs: list[Path | None]) -> None:
    """Refuse an output that has no folder, an unknown suffix, or that is one of `inputs`."""
    from swapfill.formats import format_of_path

    format_of_path(output, otherwise="PNG")  # refused now, not after the work
    if not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}, want one that is there")
    for path in inputs:
        if path is not None and output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the input {path} itself; --force replaces it")
