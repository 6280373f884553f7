"""`swapfill bench`: what filling costs on this machine, beside other programs."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from swapfill.cli_options import AsJson, Model, Quiet
from swapfill.cli_terminal import bar


def bench(
    side: Annotated[int, typer.Option(min=128, help="Of the square picture, pixels.")] = 512,
    hole: Annotated[int, typer.Option(min=8, help="Side of the square hole, pixels.")] = 224,
    repeat: Annotated[
        int, typer.Option(min=1, help="Times that each is measured, after one to warm up.")
    ] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of each process; none: one a core.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A Markdown file for the tables.")
    ] = None,
    model: Model = "default",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Time each engine and step on the CPU, against other methods, in one run.

    Each measurement has a process of its own. What is not installed is named, and left out.
    """
    from swapfill.benching.report import markdown, report_of
    from swapfill.benching.run import Asked, cases, in_child
    from swapfill.bundle import Bundle
    from swapfill.errors import OutputError
    from swapfill.files import write_bytes_atomically

    if output is not None and not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}, want one that is there")
    Bundle.open(model)  # refused now, not by each process
    asked, count = Asked(side, hole, repeat, model), threads or os.cpu_count() or 1
    wanted, measure, rows = cases(asked), in_child(count), []
    with bar("measuring", quiet=quiet) as on_progress:
        for number, case in enumerate(wanted):
            on_progress(number, len(wanted))
            rows.append(measure(case))
        on_progress(len(wanted), len(wanted))
    report = report_of(rows, asked, count)
    text = markdown(report)
    if output is not None:
        write_bytes_atomically(output, text.encode())
    if as_json:
        typer.echo(json.dumps(report))
    elif output is None:
        typer.echo(text, nl=False)
    elif not quiet:
        typer.echo(str(output))
