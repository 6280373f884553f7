"""`swapfill evaluate`: methods judged on one's own pictures, under one protocol."""

import json
import shlex
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from swapfill.cli_options import AsJson, Device, Engine, Precision, Quiet
from swapfill.cli_terminal import bar, notices, say
from swapfill.errors import ConfigError

_SOME_FAILED = 1
_METHODS = "default,telea"
_EXTRA = ("cv2", "jinja2", "skimage", "sklearn", "torchmetrics")  # what `[eval]` brings
_ALSO = ("lpips", "fid", "kid", "p-ids", "u-ids")


def evaluate(
    data: Annotated[str, typer.Argument(help="Pictures: a folder, a list (.txt) or a tar file.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="The report's folder.")],
    methods: Annotated[
        str | None,
        typer.Option(help=f"Such as default,telea,mine=FOLDER (a bundle); none: {_METHODS}."),
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER of pictures that another program filled; repeatable."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Of the holes: paper, free-form, boxes or masks.")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="A folder of masks, white = hole, each named as its picture."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side in pixels that pictures are resized to; 0: as they are."),
    ] = None,
    shares: Annotated[
        str | None, typer.Option(help="Of missing pixels, in turn: 0.1-0.2,0.2-0.4.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("-n", "--limit", help="Take the first so many.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the holes and of the bootstrap.")] = None,
    model: Annotated[
        str | None, typer.Option(help="The bundle of the methods paper and guess.")
    ] = None,
    vgg: Annotated[
        Path | None,
        typer.Option(help="VGG-19, safetensors, for the VGG distance and for neural-patch."),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", help="METHOD.SETTING=VALUE of a method; repeatable."),
    ] = None,
    also: Annotated[str | None, typer.Option(help=f"Of {','.join(_ALSO)}: need weights.")] = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge methods on your own pictures: a table, a page with pictures, and every figure.

    What an earlier run with the same report has done is not done again.
    """
    _check_extra()
    asked = {
        "protocol": _protocol(protocol, masks),
        "size": size if size is not None or not masks else 0,
        "shares": None if shares is None else _shares(shares),
        "limit": limit,
        "seed": seed,
    }
    with bar("importing", quiet=quiet):
        from swapfill.evaluation.methods.interface import Wanted
        from swapfill.evaluation.run import Job, evaluate, failed
        from swapfill.evaluation.settings import EvaluateSettings

    settings = {name: value for name, value in asked.items() if value is not None}
    typed = _METHODS if methods is None and not results else methods
    job = Job(
        data=data,
        folder=output,
        methods=_listed(typed),
        results=results or [],
        masks=masks,
        vgg=vgg,
        also=_also(also),
        settings=EvaluateSettings.read(settings, "evaluate"),
        given=Wanted(
            "", model, engine, device, precision, str(vgg) if vgg else None, _options(options or [])
        ),
        command=shlex.join(["swapfill", *sys.argv[1:]]),
    )
    with notices(quiet=quiet), bar("judging", quiet=quiet) as on_progress:
        outcome = evaluate(job, on_progress=on_progress, say=say)
    _tell(outcome, output, as_json=as_json, quiet=quiet)
    if count := failed(outcome):
        say(f"{count} failed; the report names them")
        raise typer.Exit(_SOME_FAILED)


def _tell(outcome: dict[str, Any], output: Path, *, as_json: bool, quiet: bool) -> None:
    from swapfill.evaluation.tables import text_of

    if as_json:
        short = {name: value for name, value in outcome.items() if name != "pictures"}
        typer.echo(json.dumps(short))
    elif not quiet:
        typer.echo(text_of(outcome))
        typer.echo(str(output / "report.html"))


def _check_extra() -> None:
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"evaluate: {', '.join(missing)} not installed, want: pip install 'swapfill[eval]'"
        )


def _protocol(protocol: str | None, masks: Path | None) -> str | None:
    """Give the protocol that was typed, or that a folder of masks stands for."""
    if masks is None and protocol == "masks":
        raise ConfigError("protocol masks: no masks are given, want --masks FOLDER")
    if masks is not None and protocol not in (None, "masks"):
        raise ConfigError(f"protocol {protocol} makes its own holes, want no --masks with it")
    return "masks" if masks is not None else protocol


def _shares(text: str) -> list[tuple[float, ...]]:
    try:
        return [tuple(float(end) for end in part.split("-")) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--shares is {text!r}, want ranges such as 0.1-0.2,0.2-0.4") from None


def _also(text: str | None) -> list[str]:
    names = _listed(text)
    for name in names:
        if name not in _ALSO:
            raise ConfigError(f"--also names {name!r}, want some of {', '.join(_ALSO)}")
    return names


def _options(typed: list[str]) -> dict[str, Any]:
    """Read METHOD.SETTING=VALUE, the value as TOML has it, else as a string."""
    found: dict[str, Any] = {}
    for option in typed:
        name, equals, text = option.partition("=")
        if not equals or "." not in name:
            raise ConfigError(f"--set is {option!r}, want METHOD.SETTING=VALUE")
        try:
            found[name] = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            found[name] = text
    return found


def _listed(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
