"""Uvicorn around the app, with a stop that finishes what was taken."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from swapfill.errors import ConfigError
from swapfill.server.desk import Desk
from swapfill.server.logs import start_logging, tell
from swapfill.server.settings import ServeSettings

_IDLE_SECONDS = 20  # that a connection stays open between two requests
_LAST_SECONDS = 5  # for answers on their way, when the work is over
_POLL = 0.1  # seconds


class Server(uvicorn.Server):
    """A server that goes on answering while it stops: jobs that were taken can be fetched.

    Asked to stop, it takes no more work, and exits once all work is done and every result has been
    fetched, or the time for that is over. Asked twice, it exits at once.
    """

    def __init__(self, config: uvicorn.Config, desk: Desk, seconds: float) -> None:
        """Take what is asked whether work is left, and for how long that may hold up the exit."""
        super().__init__(config)
        self._desk, self._seconds = desk, seconds
        self._stopping: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, or stop."""
        if not self.started:
            super().handle_exit(sig, frame)
        elif self._desk.is_stopping:
            self._desk.abandon()
            self.should_exit = self.force_exit = True
        else:
            self._desk.stop()
            tell("stopping", {"waiting": self._desk.waiting})

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether to exit."""
        if self._desk.is_stopping and self._stopping is None:
            self._stopping = asyncio.create_task(self._finish())
        return await super().on_tick(counter)

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                while not self._desk.is_finished:
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            self._desk.abandon()
            tell("stopped before all was done", level=logging.WARNING)
        self.should_exit = True


@contextmanager
def listen(settings: ServeSettings) -> Iterator[tuple[socket.socket, str]]:
    """Bind the address; gives the socket and the page's address.

    Raises:
        ConfigError: it is in use, or is no address of this machine.
    """
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()  # who is told the address may connect at once, and waits its turn
        except OSError as error:
            reason = error.strerror or error
            wanted = "want another --host or --port"
            raise ConfigError(f"serve: {host}:{port}: {reason}, {wanted}") from None
        name = f"[{host}]" if family == socket.AF_INET6 else host
        yield listener, f"http://{name}:{listener.getsockname()[1]}/"


def server_of(app: FastAPI, settings: ServeSettings) -> Server:
    """Give the server of an app that `create_app` has made with the same settings."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=settings.connections,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    return Server(config, app.state.service.desk, settings.stop_seconds)


def run(app: FastAPI, settings: ServeSettings, listener: socket.socket) -> None:
    """Serve on a bound socket until asked to stop."""
    start_logging()
    server_of(app, settings).run([listener])
