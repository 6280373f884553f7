"""The app on many machines: a Ray Serve deployment whose replicas are the whole app each.

A replica has its own models, desk and jobs, and fills together what waits at its own desk. Ray
Serve gives a request to any replica; one that asks for a job another replica has is passed on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swapfill.errors import ConfigError
from swapfill.ray_crew import LOCAL, join
from swapfill.server.app import create_app
from swapfill.server.desk import Desk
from swapfill.server.logs import start_logging
from swapfill.server.problems import ProblemError
from swapfill.server.running import listen
from swapfill.server.settings import ServeSettings

NAME = "swapfill"  # of the application, on its cluster

_JOB = re.compile(r"/v1/jobs/([^/]+)(/result)?", re.ASCII)
_PASSED_ON = {"type", "asgi", "http_version", "method", "scheme", "path", "raw_path"}
_PASSED_ON |= {"query_string", "headers", "client", "server", "root_path"}
_ASK_SECONDS = 30  # that the other replicas have to answer in


@contextmanager
def deployed(settings: ServeSettings, address: str, replicas: int) -> Iterator[str]:
    """Serve on a cluster; gives the page's address, and stops what it started at the end.

    The port is opened on the cluster's head, on the address that the settings say.

    Args:
        settings: of each replica; its models are on all machines.
        address: of a cluster, as `ray.init` takes it, or "local" for one that is made here.
        replicas: how many; each has a CPU, and a GPU where there are some and it is to use them.

    Raises:
        ConfigError: Ray Serve is not installed, there is no such cluster, it has too little for
            the replicas, the address is in use, or the app did not come up.
    """
    if settings.port == 0:
        raise ConfigError("--ray: the port is 0, want one of 1 to 65535")
    if address == LOCAL:
        with listen(settings):
            pass  # Serve would try again for ever where it is in use
    ray = join(address)
    try:
        serve = _serve()
        app = application(settings, replicas, _share(ray, settings, replicas))
        http = {"host": settings.host, "port": settings.port}
        try:
            serve.start(proxy_location="HeadOnly", http_options=http)
            logging.getLogger("ray.serve").setLevel(logging.ERROR)  # it has set its own
            serve.run(app, name=NAME, route_prefix="/")
        except (RuntimeError, ray.exceptions.RayError) as error:
            said = " ".join(str(error).split())
            raise ConfigError(f"--ray {address}: the app did not come up: {said}") from error
        try:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            yield f"http://{host}:{settings.port}/"
        finally:
            serve.delete(NAME)
    finally:
        ray.shutdown()


def application(settings: ServeSettings, replicas: int, share: dict[str, float]) -> Any:
    """Give what `serve.run` takes.

    Args:
        settings: of each replica.
        replicas: how many.
        share: of a machine, for each of them: `num_cpus` and `num_gpus`.

    Raises:
        ConfigError: Ray Serve is not installed.
    """
    serve = _serve()
    # A replica's desk has the bounds and refuses with a problem; Serve's own are wider.
    deployment = serve.deployment(
        name="Replica",
        num_replicas=replicas,
        ray_actor_options=share,
        max_ongoing_requests=settings.connections,
        max_queued_requests=settings.connections,
        graceful_shutdown_timeout_s=settings.stop_seconds,
    )
    return deployment(serve.ingress()(Replica)).bind(settings)


class Replica:
    """The app in a process that Ray Serve started.

    Args:
        settings: all that can be set.
    """

    def __init__(self, settings: ServeSettings) -> None:
        start_logging()
        self._app = create_app(settings)
        self._desk: Desk = self._app.state.service.desk
        self._all: Any = _serve().get_deployment_handle("Replica", NAME)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Give the app, with the requests for others' jobs passed on."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._pass_on(scope, receive, send)

        return app  # uvicorn takes a bound method for ASGI 2

    async def answer_for(self, scope: Scope) -> list[Message] | None:
        """Answer a request for a job that was made here; None: it was not."""
        if not self._has_job(scope):
            return None
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_of_job(scope) or self._has_job(scope):
            await self._app(scope, receive, send)
            return
        passed = {name: value for name, value in scope.items() if name in _PASSED_ON}
        asked = self._all.broadcast("answer_for", passed)
        answers = await asked.results_async(timeout_s=_ASK_SECONDS, return_exceptions=True)
        found = next((answer for answer in answers if isinstance(answer, list)), None)
        if found is None and any(isinstance(answer, BaseException) for answer in answers):
            said = "a replica that may have the job did not answer, ask again"
            response = ProblemError("stopping", said, {"Retry-After": "1"}).response("-")
            await response(scope, receive, send)
        elif found is None:
            await self._app(scope, receive, send)  # which says that there is none
        else:
            for message in found:
                await send(message)

    def _has_job(self, scope: Scope) -> bool:
        match = _JOB.fullmatch(scope["path"])
        try:
            return match is not None and self._desk.find(match[1]) is not None
        except ProblemError:
            return False


def _is_of_job(scope: Scope) -> bool:
    is_asked = scope["type"] == "http" and scope["method"] in ("GET", "DELETE")
    return is_asked and _JOB.fullmatch(scope["path"]) is not None


def _serve() -> Any:
    try:
        return import_module("ray.serve")
    except ImportError as error:
        raise ConfigError(
            f"--ray: Ray Serve is not there ({error}), want: pip install 'swapfill[ray]'"
        ) from error


def _share(ray: Any, settings: ServeSettings, replicas: int) -> dict[str, float]:
    """Give what each replica has of a machine; Serve would wait for ever for what is not there."""
    there = ray.cluster_resources()
    gpus = 0 if settings.devices == ("cpu",) else int(there.get("GPU", 0))
    kind, found = ("GPUs", gpus) if gpus else ("CPUs", int(there.get("CPU", 0)))
    if replicas > found:
        raise ConfigError(f"--replicas {replicas}: the cluster has {found} {kind}, want no more")
    return {"num_cpus": 0, "num_gpus": 1} if gpus else {"num_cpus": 1, "num_gpus": 0}
