"""The command line: each command parses, calls and prints.

Exit codes: 0 done; 2 bad usage or input, with one line on stderr that names the input, what was
found and what was wanted; 130 interrupted; 1 a fault of ours, with its traceback, or, of a folder
(`inpaint`, `evaluate`), some pictures that failed: their number on stderr, their names in a report.

Nothing heavy is imported before a command needs it, so that `--help` is quick.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from swapfill import (
    cli_bench,
    cli_evaluate,
    cli_inpaint,
    cli_models,
    cli_serve,
    cli_style,
    cli_train,
    cli_video,
)
from swapfill.cli_options import Device, Engine, Model, Precision, Quiet
from swapfill.cli_terminal import bar, say
from swapfill.errors import SwapfillError

app = typer.Typer(
    name="swapfill",
    help="Fill holes in pictures: infer, match, translate. Outside the hole nothing changes.",
    add_completion=False,
    rich_markup_mode=None,
)
# Where the name to import is not the name to install.
_PACKAGES = {"av": "'swapfill[video]'", "PIL": "pillow", "torch": "'swapfill[torch]'"}


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from swapfill import __version__

        typer.echo(f"swapfill {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet to write.")] = Path(
        "swapfill-demo.png"
    ),
    model: Model = "default",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    quiet: Quiet = False,
) -> None:
    """Fill a packaged photograph, offline: before, mask and after on one sheet."""
    with bar("filling the packaged photograph", quiet=quiet) as on_progress:
        from swapfill.demo import write_sheet
        from swapfill.inpainter import Inpainter

        painter = Inpainter.load(model, engine=engine, device=device, precision=precision)
        write_sheet(output, painter, on_progress)
    if not quiet:
        typer.echo(f"before | mask | after: {output}")


app.command()(cli_inpaint.inpaint)
app.command()(cli_style.style)
app.command()(cli_video.video)
app.command()(cli_evaluate.evaluate)
app.add_typer(cli_models.app, name="models")
app.command()(cli_train.train)
app.command()(cli_serve.serve)
app.command()(cli_bench.bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; by default those of the process.

    Returns:
        The exit code. A fault of ours is raised as it came.
    """
    try:
        status = get_command(app).main(argv, prog_name="swapfill", standalone_mode=False)
    except SwapfillError as error:
        say(str(error))
        return 2
    except typer.TyperException as error:  # of usage: an unknown option, a missing argument
        say(" ".join(error.format_message().split()))
        return error.exit_code
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("swapfill"):
            raise
        name = error.name.partition(".")[0]
        say(f"the package {name} is missing, want: pip install {_PACKAGES.get(name, name)}")
        return 2
    return status if isinstance(status, int) else 0
