"""`swapfill bench`: what filling costs on this machine, beside other programs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapfill.cli_options import AsJson, Model, Quiet
from swapfill.cli_terminal import bar

if TYPE_CHECKING:
    from swapfill.benching.case import Case, Row
    from swapfill.benching.run import Asked
    from swapfill.benching.scaling import Most


def bench(
    side: Annotated[int, typer.Option(min=128, help="Of the square picture, pixels.")] = 512,
    hole: Annotated[int, typer.Option(min=8, help="Side of the square hole, pixels.")] = 224,
    repeat: Annotated[
        int, typer.Option(min=1, help="Times that each is measured, after one to warm up.")
    ] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of each process; none: one a core.")
    ] = None,
    other: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="An ONNX file to time beside ours, such as lama=big-lama.onnx. May be repeated.",
        ),
    ] = None,
    scaling: Annotated[
        bool,
        typer.Option("--scaling", help="How ours grows with hole, picture, batch and threads."),
    ] = False,
    largest_hole: Annotated[
        int, typer.Option(min=64, help="Where --scaling ends: side of the hole, pixels.")
    ] = 4096,
    largest_picture: Annotated[
        float, typer.Option(min=0.25, help="Where --scaling ends: picture, megapixels.")
    ] = 100,
    device: Annotated[
        str | None,
        typer.Option(
            help="Measure this device instead, such as cuda: a batch, an exact patch-swap, and how "
            "both differ from the CPU's."
        ),
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=1, help="With --device: pictures filled at once.")
    ] = 16,
    compiled: Annotated[
        bool, typer.Option("--compiled", help="With --device: also through torch.compile.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A Markdown file for the tables.")
    ] = None,
    model: Model = "default",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Time each engine and step on the CPU, against other methods, in one run; or a GPU.

    Each measurement has a process of its own. What is not installed is named, and left out.
    """
    from swapfill.benching.run import Asked, read_others
    from swapfill.benching.scaling import Most
    from swapfill.bundle import Bundle
    from swapfill.errors import ConfigError, OutputError
    from swapfill.files import write_bytes_atomically

    if output is not None and not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}, want one that is there")
    if device is not None and (scaling or other):
        raise ConfigError("--device measures one device alone, want neither --scaling nor --other")
    if scaling and other:
        raise ConfigError(f"--other {other[0]}: --scaling measures ours alone, want one of the two")
    Bundle.open(model)  # refused now, not by each process
    asked = Asked(side, hole, repeat, model, read_others(other or ()))
    count = threads or os.cpu_count() or 1
    if device is not None:
        report, text = _on_device(device, (side, hole, pictures, repeat, model, compiled), quiet)
    elif scaling:
        report, text = _scaled(asked, Most(largest_hole, largest_picture, count), quiet)
    else:
        report, text = _compared(asked, count, quiet)
    if output is not None:
        write_bytes_atomically(output, text.encode())
    if as_json:
        typer.echo(json.dumps(report))
    elif output is None:
        typer.echo(text, nl=False)
    elif not quiet:
        typer.echo(str(output))


def _compared(asked: Asked, threads: int, quiet: bool) -> tuple[dict[str, Any], str]:
    from swapfill.benching.report import markdown, report_of
    from swapfill.benching.run import cases, not_given

    rows = _measured([(threads, case) for case in cases(asked)], quiet)
    report = report_of([*rows, *not_given(asked)], asked, threads)
    return report, markdown(report)


def _on_device(
    device: str, asked: tuple[int, int, int, int, str, bool], quiet: bool
) -> tuple[dict[str, Any], str]:
    from swapfill.benching.accelerated import Wanted, measure_on
    from swapfill.benching.accelerated_report import accelerated_markdown, accelerated_report
    from swapfill.devices import choose_device

    place, wanted = choose_device(device), Wanted(*asked)
    with bar("measuring", quiet=quiet) as on_progress:
        found = measure_on(place, wanted, on_progress)
    return accelerated_report(found, wanted), accelerated_markdown(found, wanted)


def _scaled(asked: Asked, most: Most, quiet: bool) -> tuple[dict[str, Any], str]:
    from swapfill.benching.scaling import points, scaling_markdown, scaling_report

    wanted = points(asked, most)
    rows = _measured([(point.threads, point.case) for point in wanted], quiet)
    report = scaling_report(list(zip(wanted, rows, strict=True)), asked, most)
    return report, scaling_markdown(report)


def _measured(wanted: list[tuple[int, Case]], quiet: bool) -> list[Row]:
    """Measure each case with its threads, one after the other."""
    from swapfill.benching.run import in_child

    rows = []
    with bar("measuring", quiet=quiet) as on_progress:
        for number, (threads, case) in enumerate(wanted):
            on_progress(number, len(wanted))
            rows.append(in_child(threads)(case))
        on_progress(len(wanted), len(wanted))
    return rows
