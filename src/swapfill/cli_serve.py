"""`swapfill serve`: a page and an HTTP API on this machine."""

import os
import signal
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapfill.cli_options import Engine, Precision
from swapfill.cli_terminal import say
from swapfill.errors import ConfigError

if TYPE_CHECKING:
    from swapfill.server.settings import ServeSettings

TOKEN = "SWAPFILL_TOKEN"  # in the environment

_EXTRA = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")  # what `[serve]` brings
_MEBIBYTE = 1 << 20


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; only this machine's by default.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes any that is free.")] = None,
    token: Annotated[
        Path | None,
        typer.Option(help=f"File with the token that clients bring; else {TOKEN} is read."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A packaged model's name, or NAME=FOLDER of a bundle; repeatable."),
    ] = None,
    engine: Engine = "auto",
    device: Annotated[
        list[str] | None,
        typer.Option(help="auto, cpu, cuda, cuda:1 or mps; repeatable: each has its own model."),
    ] = None,
    precision: Precision = "auto",
    workers: Annotated[
        int | None, typer.Option(help="Pictures that are read, planned and written at once.")
    ] = None,
    queue: Annotated[int | None, typer.Option(help="Requests that may wait.")] = None,
    upload: Annotated[int | None, typer.Option(help="Largest body of a request, in MiB.")] = None,
    pixels: Annotated[int | None, typer.Option(help="Most pixels of a picture.")] = None,
    held: Annotated[
        int | None, typer.Option(help="Most MiB of uploads and results that are held at once.")
    ] = None,
    upload_time: Annotated[
        float | None, typer.Option(help="Seconds for a body to arrive, and 8 more a MiB.")
    ] = None,
    fill_time: Annotated[
        float | None, typer.Option(help="Seconds until an answer, waiting included.")
    ] = None,
    job_time: Annotated[
        float | None, typer.Option(help="Seconds that a job may be at work.")
    ] = None,
    keep_time: Annotated[
        float | None, typer.Option(help="Seconds that a job is remembered once it is done.")
    ] = None,
    stop_time: Annotated[
        float | None, typer.Option(help="Seconds to finish in when asked to stop.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Address of a Ray cluster to serve on; local makes one here."),
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Servers that share the requests, with --ray.")
    ] = None,
) -> None:
    """Open a page and an HTTP API that fill pictures.

    Without --host, only this machine can reach them. Stop with Ctrl-C: what was taken is finished;
    a second time, at once. The log is one JSON object a line, on stderr.
    """
    _check_extra()
    asked: dict[str, Any] = {
        "host": host,
        "port": port,
        "token": _token(token),
        "models": tuple(model) if model else None,
        "engine": engine,
        "devices": tuple(device) if device else None,
        "precision": precision,
        "workers": workers,
        "queue": queue,
        "upload_bytes": upload and upload * _MEBIBYTE,
        "pixels": pixels,
        "held_bytes": held and held * _MEBIBYTE,
        "upload_seconds": upload_time,
        "fill_seconds": fill_time,
        "job_seconds": job_time,
        "keep_seconds": keep_time,
        "stop_seconds": stop_time,
    }
    from swapfill.server.app import create_app
    from swapfill.server.running import listen, run
    from swapfill.server.settings import ServeSettings

    given = {name: value for name, value in asked.items() if value is not None}
    settings = ServeSettings.read(given, "serve")
    if ray is not None:
        _serve_on(ray, settings, replicas or 1)
        return
    if replicas is not None:
        raise ConfigError(f"--replicas {replicas}: there is no cluster, want --ray ADDRESS too")
    with listen(settings) as (listener, address):
        app = create_app(settings)
        _say_open(address, settings)
        run(app, settings, listener)


def _serve_on(cluster: str, settings: "ServeSettings", replicas: int) -> None:
    """Serve on a Ray cluster until asked to stop."""
    from swapfill.server.ray_serve import deployed

    with deployed(settings, cluster, replicas) as address:
        asked = threading.Event()
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, lambda *_: asked.set()) for number in numbers]
        _say_open(address, settings)
        asked.wait()
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)  # a second time, it ends at once


def _say_open(address: str, settings: "ServeSettings") -> None:
    say(f"open {address} (Ctrl-C stops)")
    if not settings.is_local and settings.token is None:
        say(f"whoever reaches {settings.host} may ask; want a token: --token FILE or {TOKEN}")


def _token(path: Path | None) -> str | None:
    """Read the token from its file, or from the environment."""
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise ConfigError(f"--token {path}: {reason}, want a file with a token in it") from None


def _check_extra() -> None:
    missing = [name.replace("_", "-") for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"serve: {', '.join(missing)} not installed, want: pip install 'swapfill[serve]'"
        )
